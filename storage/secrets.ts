import { ManyErrors, problem, type FirstlightError } from '../lib/errors.ts';
import type { Host } from '../lib/host.ts';
import type { Lun, Nas } from '../nodes/cluster.ts';
import type { Credentials } from '../nodes/credentials.ts';
import type { Chap } from './dsm/targets.ts';

/** The part of the credentials that storage needs. */
export type StorageCredentials = Pick<Credentials, 'nasPassword' | 'chap' | 'mutualChap'>;

/**
 * Registers the secrets with the mask and looks at them before anything is asked of the NAS: the NAS password is there,
 * and each LUN has a CHAP secret of 12 to 16 printable ASCII characters (DSM's and RFC 7143's bounds), with mutual CHAP a
 * second one that is not the first (RFC 7143, 9.2.1). Throws `E_STORAGE_SECRETS` with all that is wrong, never with a value.
 */
export function checkSecrets(host: Pick<Host, 'mask'>, nas: Nas, credentials: StorageCredentials): void {
  if (credentials.nasPassword) host.mask.add(credentials.nasPassword);
  const wrong: FirstlightError[] = [];
  if (!credentials.nasPassword) wrong.push(complaint('the NAS password is missing', 'Add `nasPassword` to the credentials.'));
  for (const lun of nas.luns) {
    const secret = credentials.chap[lun.name];
    wrong.push(...judge(host, secret, lun.name, 'chap', 'CHAP secret'));
    if (lun.mutualUser === undefined) continue;
    const mutual = credentials.mutualChap?.[lun.name];
    wrong.push(...judge(host, mutual, lun.name, 'mutualChap', 'secret for mutual CHAP'));
    if (mutual && mutual === secret) wrong.push(complaint(`LUN ${lun.name} has one secret for both directions of CHAP`, `Change \`mutualChap.${lun.name}\` in the credentials: whoever knows one must not be able to play the other.`));
  }
  const [first] = wrong;
  if (wrong.length === 1 && first) throw first;
  if (first) throw new ManyErrors('E_STORAGE_SECRETS', `${wrong.length} secrets for storage are missing or wrong`, 'Mend them together in the credentials.', wrong);
}

/** CHAP of a LUN's target, as declared and by the credentials; after `checkSecrets`. */
export function chapOf(lun: Lun, credentials: Pick<StorageCredentials, 'chap' | 'mutualChap'>): Chap {
  const mutual = lun.mutualUser === undefined ? {} : { mutual: { user: lun.mutualUser, secret: credentials.mutualChap?.[lun.name] ?? '' } };
  return { user: lun.user, secret: credentials.chap[lun.name] ?? '', ...mutual };
}

/** The NAS password, after `checkSecrets`. Throws `E_STORAGE_SECRETS` without one. */
export function nasPassword(credentials: StorageCredentials): string {
  if (credentials.nasPassword) return credentials.nasPassword;
  throw complaint('the NAS password is missing', 'Add `nasPassword` to the credentials.');
}

function judge(host: Pick<Host, 'mask'>, secret: string | undefined, lun: string, key: 'chap' | 'mutualChap', what: string): FirstlightError[] {
  if (!secret) return [complaint(`LUN ${lun} has no ${what}`, `Add \`${key}.${lun}\` to the credentials: 12 to 16 characters.`)];
  host.mask.add(secret);
  if (/^[\x21-\x7e]{12,16}$/.test(secret)) return [];
  return [complaint(`the ${what} of LUN ${lun} is not 12 to 16 plain characters`, `Change \`${key}.${lun}\` in the credentials: letters, digits and signs, no blanks.`)];
}

function complaint(message: string, hint: string): FirstlightError {
  return problem('E_STORAGE_SECRETS', message, hint);
}
