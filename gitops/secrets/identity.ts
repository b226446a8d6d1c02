import { armor, Decrypter, identityToRecipient } from 'age-encryption';
import { problem } from '../../lib/errors.ts';
import { joinShares, readShare } from './shares.ts';

/** An age identity and the recipient it belongs to. */
export type Identity = { readonly identity: string; readonly recipient: string };

const SHARE = /^firstlight-share/i;

/** Whether a key file's bytes are themselves encrypted by age, with a passphrase (`age -p`). */
export function isLocked(file: Uint8Array): boolean {
  const start = Buffer.from(file.subarray(0, 40)).toString('latin1');
  return start.startsWith('age-encryption.org/v1') || start.startsWith('-----BEGIN AGE ENCRYPTED FILE-----');
}

/** Opens a passphrase-protected key file and gives its text. Throws `E_AGE_PASSPHRASE`; the passphrase is told nowhere. */
export async function unlock(file: Uint8Array, passphrase: string): Promise<string> {
  const text = Buffer.from(file).toString('latin1');
  const decrypter = new Decrypter();
  decrypter.addPassphrase(passphrase);
  try {
    return await decrypter.decrypt(text.startsWith('-----BEGIN') ? armor.decode(text) : file, 'text');
  } catch {
    throw problem('E_AGE_PASSPHRASE', 'the passphrase does not open the age key file', 'Try again; caps lock and keyboard layout are what usually is wrong.');
  }
}

/**
 * Reads what a person types or pipes in: an identity (spaces don't matter), the text of a key file, or the shares of one, a line
 * each. Throws `E_AGE_IDENTITY`, `E_ESCROW_SHARE`, `E_ESCROW_SHARES`; nothing of it is told.
 */
export async function readIdentities(text: string): Promise<Identity[]> {
  const lines = text.split('\n').map((line) => line.trim()).filter((line) => line !== '' && !line.startsWith('#'));
  const shares = lines.filter((line) => SHARE.test(line)).map(readShare);
  const whole = lines.filter((line) => !SHARE.test(line)).map((line) => line.replace(/\s/g, '').toUpperCase());
  const identities = [...whole, ...(shares.length > 0 ? [await joinShares(shares)] : [])];
  if (identities.length === 0) throw notOne();
  return Promise.all(identities.map(async (identity) => ({ identity, recipient: await identityToRecipient(identity).catch(() => { throw notOne(); }) })));
}

function notOne(): Error {
  return problem('E_AGE_IDENTITY', 'that is no age identity', 'An identity begins with AGE-SECRET-KEY-1; a mistyped character is noticed by its check.');
}
