import { ManyErrors, problem, type FirstlightError } from '../lib/errors.ts';
import type { Host } from '../lib/host.ts';
import type { Nas } from '../nodes/cluster.ts';
import type { Credentials } from '../nodes/credentials.ts';

/** The part of the credentials that storage needs. */
export type StorageCredentials = Pick<Credentials, 'nasPassword' | 'chap'>;

/**
 * Registers the secrets with the mask and looks at them before anything is asked of the NAS: the NAS password is there,
 * and each LUN has a CHAP secret of 12 to 16 printable ASCII characters (DSM's and RFC 7143's bounds).
 * Throws `E_STORAGE_SECRETS` with all that is wrong, never with a value.
 */
export function checkSecrets(host: Pick<Host, 'mask'>, nas: Nas, credentials: StorageCredentials): void {
  if (credentials.nasPassword) host.mask.add(credentials.nasPassword);
  const wrong: FirstlightError[] = [];
  if (!credentials.nasPassword) wrong.push(complaint('the NAS password is missing', 'Add `nasPassword` to the credentials.'));
  for (const lun of nas.luns) {
    const secret = credentials.chap[lun.name];
    if (secret) host.mask.add(secret);
    if (!secret) wrong.push(complaint(`LUN ${lun.name} has no CHAP secret`, `Add \`chap.${lun.name}\` to the credentials: 12 to 16 characters.`));
    else if (!/^[\x21-\x7e]{12,16}$/.test(secret)) wrong.push(complaint(`the CHAP secret of LUN ${lun.name} is not 12 to 16 plain characters`, `Change \`chap.${lun.name}\` in the credentials: letters, digits and signs, no blanks.`));
  }
  const [first] = wrong;
  if (wrong.length === 1 && first) throw first;
  if (first) throw new ManyErrors('E_STORAGE_SECRETS', `${wrong.length} secrets for storage are missing or wrong`, 'Mend them together in the credentials.', wrong);
}

/** The NAS password, after `checkSecrets`. Throws `E_STORAGE_SECRETS` without one. */
export function nasPassword(credentials: StorageCredentials): string {
  if (credentials.nasPassword) return credentials.nasPassword;
  throw complaint('the NAS password is missing', 'Add `nasPassword` to the credentials.');
}

function complaint(message: string, hint: string): FirstlightError {
  return problem('E_STORAGE_SECRETS', message, hint);
}
