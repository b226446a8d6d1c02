import { problem } from '../../lib/errors.ts';
import type { Host } from '../../lib/host.ts';
import { readLock, updateLock } from '../../lib/lock-file.ts';
import { inTurn } from '../../lib/turns.ts';
import { credentialsPath, writeCredentials } from '../credentials.ts';
import type { Facts } from '../facts.ts';
import { makeSigningKey, signerOf } from './signing.ts';

/** The key that signs, and what of it is there: in the credentials (`key`), pinned in the lock file (`pinned`). */
type Signing = { readonly key?: string; readonly pinned?: string };

/**
 * What is still to be done before a backup can be signed; undefined where nothing is. Throws `E_BACKUP_SIGNER` where the private half does not
 * belong to the pinned public one, or is gone; `E_BACKUP_KEY`.
 */
export async function signerLacks(host: Host, facts: Facts): Promise<string | undefined> {
  const { key, pinned } = await read(host, facts);
  if (key === undefined && pinned === undefined) return 'no key for signatures yet';
  const hint = 'Bring back credentials.sops.yaml and firstlight.lock.yaml as they belong together, from git’s history. Where the key is lost for good, take backup.signer out of firstlight.lock.yaml: a new one is made, and older backups are then taken as somebody else’s.';
  if (key === undefined) throw problem('E_BACKUP_SIGNER', 'firstlight.lock.yaml pins a key for signatures (backup.signer), and credentials.sops.yaml has no backupKey', hint, { where: { file: facts.lockFile } });
  if (pinned === undefined) return 'the key for signatures is not pinned yet';
  if (signerOf(key) !== pinned) throw problem('E_BACKUP_SIGNER', 'backupKey in credentials.sops.yaml is not the key that firstlight.lock.yaml pins (backup.signer)', hint, { where: { file: facts.lockFile } });
  return undefined;
}

/** Makes the key, its private half into the credentials first, and pins its public half. Throws as `signerLacks`. */
export async function makeSigner(host: Host, facts: Facts): Promise<void> {
  // One backup at a time, so that two first ones don't make two keys.
  await inTurn(credentialsPath(facts.cluster), async () => {
    facts.forgetCredentials();
    let { key } = await read(host, facts);
    if (key === undefined) {
      key = makeSigningKey();
      host.mask.add(key);
      await writeCredentials(host, facts.cluster, { ...await facts.credentials(host), backupKey: key });
      facts.forgetCredentials();
    }
    await updateLock(facts.lockFile, { backup: { signer: signerOf(key) } });
  });
}

/** The private half that signs (a secret). Throws `E_BACKUP_SIGNER` before `makeSigner` made it. */
export async function signingKey(host: Host, facts: Facts): Promise<string> {
  const { key } = await read(host, facts);
  if (key !== undefined) return key;
  throw problem('E_BACKUP_SIGNER', 'there is no key for signatures', 'Run `firstlight backup`: it makes one.');
}

async function read(host: Host, facts: Facts): Promise<Signing> {
  const [{ backupKey }, { backup }] = [await facts.credentials(host), await readLock(facts.lockFile)];
  return { ...(backupKey === undefined ? {} : { key: backupKey }), ...(backup === undefined ? {} : { pinned: backup.signer }) };
}
