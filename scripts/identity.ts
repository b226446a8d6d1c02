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
