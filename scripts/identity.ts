import { readFile, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { isLocked, unlock } from '../gitops/secrets/identity.ts';
import type { Session } from './session.ts';
import { passphraseInput } from './terminal/secret-input.ts';

/** The person's age key file: SOPS_AGE_KEY_FILE, else where sops itself looks (getsops/sops: age/keysource.go). */
export function identityFile(environment: Readonly<Record<string, string>>): string {
  return environment['SOPS_AGE_KEY_FILE'] || join(environment['XDG_CONFIG_HOME'] || join(homedir(), process.platform === 'darwin' ? 'Library/Application Support' : '.config'), 'sops', 'age', 'keys.txt');
}

/** A key file under a passphrase (`age -p`) is opened once, into the private folder, where sops finds it. Throws `E_AGE_PASSPHRASE`, `E_AGE_LOCKED`. */
export async function unlockIdentity(session: Session): Promise<void> {
  const path = identityFile(session.environment);
  const file = await readFile(path).catch(() => undefined);
  if (!file || !isLocked(file)) return;
  const passphrase = await session.view.aside(() => passphraseInput(path, session.host.signal));
  session.host.mask.add(passphrase);
  const opened = join(session.host.scratch, 'identity.txt');
  await writeFile(opened, await unlock(file, passphrase), { mode: 0o600 });
  session.environment['SOPS_AGE_KEY_FILE'] = opened;
}

/** The person's age identities, as far as they lie in the clear (SOPS_AGE_KEY, else the key file, unlocked before): known to the mask from then on. Those in an agent or a plug-in are not among them. */
export async function ownIdentities(session: Session): Promise<readonly string[]> {
  const text = session.environment['SOPS_AGE_KEY'] || await readFile(identityFile(session.environment), 'utf8').catch(() => '');
  const found = text.split('\n').map((line) => line.trim()).filter((line) => /^AGE-SECRET-KEY-(PQ-)?1[A-Z0-9]+$/.test(line));
  for (const identity of found) session.host.mask.add(identity);
  return found;
}
