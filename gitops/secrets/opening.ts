import { randomBytes } from 'node:crypto';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { problem, type FirstlightError } from '../../lib/errors.ts';
import type { Host } from '../../lib/host.ts';
import { sopsTypes } from '../../lib/sops.ts';
import { recipientsFor, secretFiles, type Homelab } from './homelab.ts';
import type { Identity } from './identity.ts';

/** What one recipient can do alone: how many files it opened, and those that it did not. */
export type Opening = { readonly name: string; readonly role: string; readonly opened: number; readonly faults: readonly FirstlightError[] };

/**
 * Proves by really decrypting, with one identity alone each time, that every given identity opens every file meant for it.
 * Recipients whose identity was not given are left out. What is decrypted goes nowhere.
 */
export async function proveOpening(host: Host, homelab: Homelab, identities: readonly Identity[]): Promise<Opening[]> {
  const files = (await secretFiles(host, homelab)).filter((file) => file.content.kind === 'encrypted');
  const named = homelab.clusters.flatMap((cluster) => cluster.secrets.recipients);
  const recipients = named.filter((one, index) => named.findIndex((other) => other.key === one.key) === index);
  const openings: Opening[] = [];
  for (const recipient of recipients) {
    const own = identities.find((identity) => identity.recipient === recipient.key);
    if (!own) continue;
    const mine = files.filter((file) => recipientsFor(homelab, file.path).some((one) => one.key === recipient.key));
    const faults: FirstlightError[] = [];
    for (const file of mine) {
      if (await opensAlone(host, join(homelab.root, file.path), own.identity)) continue;
      faults.push(problem('E_ESCROW_CLOSED', `${recipient.name} alone can't open ${file.path}`, 'Run `firstlight secrets update` with an identity that can, commit, and verify again.', { where: { file: file.path } }));
    }
    openings.push({ name: recipient.name, role: recipient.role, opened: mine.length - faults.length, faults });
  }
  return openings;
}

/** Whether this identity, and no other key of this machine, opens the file: the real sops in an environment without any. */
export async function opensAlone(host: Host, path: string, identity: string): Promise<boolean> {
  host.mask.add(identity);
  const key = join(host.scratch, `alone-${randomBytes(6).toString('hex')}.txt`);
  try {
    await writeFile(key, `${identity}\n`, { mode: 0o600 });
    const env = { SOPS_AGE_KEY_FILE: key, SOPS_AGE_KEY: undefined, SOPS_AGE_KEY_CMD: undefined, SOPS_AGE_SSH_PRIVATE_KEY_FILE: undefined, HOME: host.scratch, XDG_CONFIG_HOME: host.scratch };
    const done = await host.run({ program: 'sops', args: ['decrypt', ...sopsTypes(path), path], env, timeoutMs: 30_000, accept: 'any' });
    return done.exitCode === 0;
  } finally {
    await rm(key, { force: true });
  }
}
