import { join } from 'node:path';
import type { Host } from '../../lib/host.ts';
import { sopsRekey } from '../../lib/sops-change.ts';
import { recipientsFor, secretFiles, sharedFault, type Homelab } from './homelab.ts';

/**
 * Encrypts every file whose recipients are not the inventory's anew, under a new data key, and gives their paths; the others are
 * not touched. May be cut off and run again: each file is replaced as a whole. Nothing is committed. `instead` maps a recipient of
 * the inventory to the one that takes its place. Throws `E_SOPS_KEY` where no identity at hand opens a file, `E_SOPS_…`,
 * and before anything is touched `E_SECRETS_SHARED`.
 */
export async function rekeyAll(host: Host, homelab: Homelab, instead: ReadonlyMap<string, string> = new Map()): Promise<string[]> {
  const changed: string[] = [];
  const files = await secretFiles(host, homelab);
  for (const { path } of files) {
    const shared = sharedFault(homelab, path);
    if (shared) throw shared;
  }
  for (const { path, content } of files) {
    if (content.kind !== 'encrypted') continue;
    const wanted = recipientsFor(homelab, path).map((one) => instead.get(one.key) ?? one.key);
    const add = wanted.filter((key) => !content.recipients.includes(key));
    const remove = content.recipients.filter((key) => !wanted.includes(key));
    if (add.length + remove.length === 0) continue;
    await sopsRekey(host, join(homelab.root, path), { now: content.recipients, add, remove });
    host.emit({ code: 'secrets.rekeyed', message: `${path}: encrypted anew for ${wanted.length} recipients` });
    changed.push(path);
  }
  return changed;
}
