import { createHash, randomBytes, randomInt, timingSafeEqual } from 'node:crypto';

/** CHAP's answer to a challenge: MD5 over id, secret and challenge (RFC 1994, as RFC 7143 12.1.3 uses it). */
export function chapResponse(id: number, secret: string, challenge: Buffer): Buffer {
  return createHash('md5').update(Buffer.from([id])).update(secret, 'utf8').update(challenge).digest();
}

/** A challenge of ours, for mutual CHAP. */
export function newChallenge(): { readonly id: number; readonly challenge: Buffer } {
  return { id: randomInt(256), challenge: randomBytes(16) };
}

/** True when the other side's answer is the right one; compared in constant time. */
export function isRightResponse(given: Buffer | undefined, id: number, secret: string, challenge: Buffer): boolean {
  const right = chapResponse(id, secret, challenge);
  return given !== undefined && given.length === right.length && timingSafeEqual(given, right);
}

/** A binary value of a text key: `0x` hex or `0b` base64. Undefined where it is neither. */
export function decodeBinary(text: string | undefined): Buffer | undefined {
  if (text === undefined) return undefined;
  if (/^0[xX]([0-9a-fA-F]{2})+$/.test(text)) return Buffer.from(text.slice(2), 'hex');
  if (/^0[bB][A-Za-z0-9+/]+=*$/.test(text)) return Buffer.from(text.slice(2), 'base64');
  return undefined;
}

/** A binary value as hex. */
export function encodeBinary(bytes: Buffer): string {
  return `0x${bytes.toString('hex')}`;
}
