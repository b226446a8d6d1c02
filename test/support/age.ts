import { chmod, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { generateX25519Identity, identityToRecipient } from 'age-encryption';
import type { Host } from '../../lib/host.ts';

/** A fresh age identity in a 0600 file of the host's scratch folder, and its recipient. */
export async function ageKey(host: Pick<Host, 'scratch'>, name: string): Promise<{ file: string; identity: string; recipient: string }> {
  const identity = await generateX25519Identity();
  const file = join(host.scratch, `${name}.age.txt`);
  await writeFile(file, `${identity}\n`, { mode: 0o600 });
  await chmod(file, 0o600);
  return { file, identity, recipient: await identityToRecipient(identity) };
}
