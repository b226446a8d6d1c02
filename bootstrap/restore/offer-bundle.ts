import { readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { readIfThere, writeWhole } from '../../lib/files.ts';
import type { Host } from '../../lib/host.ts';
import { ENTRY } from '../archive/types.ts';
import type { Facts } from '../facts.ts';
import type { Proven } from './types.ts';

/**
 * The repository's bundle is the wrong one, the archive's was proven: a person may have it put in its place by typing the cluster's name. What
 * lay there stays beside it (`secrets.sops.yaml.before-restore`). False where nobody said so, or the archive has no encrypted one.
 */
export async function offerBundle(host: Host, facts: Facts, { archive, name }: Proven): Promise<boolean> {
  const { cluster } = facts;
  const kept = archive.path(`${ENTRY.cluster}secrets.sops.yaml`);
  if (kept === undefined) return false;
  const answer = await host.ask({
    code: 'restore.bundle', fallback: '',
    text: `secrets.sops.yaml is not the secrets bundle of ${name}: it does not open its Secrets; the one in the archive does. Type ${cluster.name} to put that one in its place (yours stays beside it):`,
  });
  if (answer.trim() !== cluster.name) return false;
  const path = join(cluster.folder, 'secrets.sops.yaml');
  if (await readIfThere(path) !== undefined) await rename(path, `${path}.before-restore`);
  await writeWhole(path, await readFile(kept, 'utf8'));
  facts.forgetBundle();
  return true;
}
