import { createHash } from 'node:crypto';
import { identityToRecipient } from 'age-encryption';
import { combine, split } from 'shamir-secret-sharing';
import { problem } from '../../lib/errors.ts';

/** How an identity is split: any `threshold` of `of` shares give it back. */
export type Splitting = { readonly threshold: number; readonly of: number };

/** What a share's text says of itself. `key` tells which identity it belongs to (the start of the recipient's digest). */
export type Share = { readonly key: string; readonly threshold: number; readonly number: number; readonly of: number; readonly bytes: Uint8Array };

// The bytes are in base32 (RFC 4648), in which no two letters look alike; blanks between them don't count.
const FORM = /^FIRSTLIGHT-SHARE ([0-9A-F]{8}) (\d+)-OF-(\d+) ANY-(\d+) ([A-Z2-7 ]+) ([0-9A-F]{4})$/;
const LETTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';

/** Splits an age identity (Shamir over GF(256), package shamir-secret-sharing) into lines that a person can keep apart. Throws `E_ESCROW_SPLIT`. */
export async function splitIdentity(identity: string, how: Splitting): Promise<string[]> {
  const { threshold, of } = how;
  if (!Number.isInteger(threshold) || !Number.isInteger(of) || threshold < 2 || of < threshold || of > 20) {
    throw problem('E_ESCROW_SPLIT', `an identity can't be split so that any ${threshold} of ${of} shares open it`, 'Say it like 2-of-3: at least 2, at most 20 shares.');
  }
  const key = await keyOf(identity);
  const parts = await split(new TextEncoder().encode(identity), of, threshold);
  return parts.map((part, index) => sealed(`firstlight-share ${key} ${index + 1}-of-${of} any-${threshold} ${toBase32(part)}`));
}

/** Reads a share as it was written or typed, in any case and grouping. Throws `E_ESCROW_SHARE` for a mistyped one, told by its check. */
export function readShare(line: string): Share {
  const found = FORM.exec(line.trim().replace(/\s+/g, ' ').toUpperCase());
  const [, key = '', number = '', of = '', threshold = '', letters = '', check = ''] = found ?? [];
  const text = letters.replaceAll(' ', '');
  if (!found || sealed(`firstlight-share ${key.toLowerCase()} ${number}-of-${of} any-${threshold} ${text}`).slice(-4) !== check.toLowerCase()) {
    throw problem('E_ESCROW_SHARE', found ? `share ${number} of ${of} was mistyped: its check at the end does not fit` : 'a line is no share of an identity',
      'Type it as it is printed, from `firstlight-share` to the four characters at the end; or scan its code.');
  }
  return { key: key.toLowerCase(), number: Number(number), of: Number(of), threshold: Number(threshold), bytes: fromBase32(text) };
}

/** Gives the identity back. Throws `E_ESCROW_SHARES` for too few, or shares of different identities; nothing of a share is told. */
export async function joinShares(shares: readonly Share[]): Promise<string> {
  const different = [...new Map(shares.map((share) => [share.number, share])).values()];
  const [first] = different;
  if (!first || different.some((share) => share.key !== first.key || share.threshold !== first.threshold)) {
    throw problem('E_ESCROW_SHARES', 'the shares are not of one identity', 'Use shares whose first word after firstlight-share is the same.');
  }
  if (different.length < first.threshold) {
    throw problem('E_ESCROW_SHARES', `${different.length} of the ${first.threshold} shares that are needed were given`, 'Give more of them, each once.');
  }
  const identity = new TextDecoder().decode(await combine(different.slice(0, first.threshold).map((share) => Uint8Array.from(share.bytes))));
  if (!/^AGE-SECRET-KEY-/.test(identity) || await keyOf(identity) !== first.key) {
    throw problem('E_ESCROW_SHARES', 'the shares give no identity together', 'One of them is damaged: try with others.');
  }
  return identity;
}

async function keyOf(identity: string): Promise<string> {
  const recipient = await identityToRecipient(identity);
  return createHash('sha256').update(recipient).digest('hex').slice(0, 8);
}

function sealed(text: string): string {
  return `${text} ${createHash('sha256').update(text).digest('hex').slice(0, 4)}`;
}

function toBase32(bytes: Uint8Array): string {
  const bits = [...bytes].map((byte) => byte.toString(2).padStart(8, '0')).join('');
  return (bits.match(/.{1,5}/g) ?? []).map((five) => LETTERS[Number.parseInt(five.padEnd(5, '0'), 2)]).join('');
}

function fromBase32(text: string): Uint8Array {
  const bits = [...text].map((letter) => LETTERS.indexOf(letter).toString(2).padStart(5, '0')).join('');
  return Uint8Array.from((bits.match(/.{8}/g) ?? []).map((byte) => Number.parseInt(byte, 2)));
}
