import { createHash, randomBytes, randomInt, timingSafeEqual } from 'node:crypto';
import type { TargetState } from '../state.ts';

/** What a target asked and still waits to have answered. */
export type Challenge = { readonly id: number; readonly bytes: Buffer };

/** A new challenge. */
export function challenge(): Challenge {
  return { id: randomInt(256), bytes: randomBytes(16) };
}

/** The two keys by which a challenge goes onto the wire. */
export function challengeKeys(asked: Challenge): [string, string][] {
  return [['CHAP_A', '5'], ['CHAP_I', String(asked.id)], ['CHAP_C', `0x${asked.bytes.toString('hex')}`]];
}

/** True when name and response are the target's user and the MD5 over its secret. `spoiled` makes every secret a wrong one. */
export function isAnswered(target: TargetState, asked: Challenge, keys: ReadonlyMap<string, string>, spoiled: boolean): boolean {
  const given = Buffer.from((keys.get('CHAP_R') ?? '').replace(/^0[xX]/, ''), 'hex');
  const right = digest(asked.id, target.password, asked.bytes);
  return !spoiled && keys.get('CHAP_N') === target.user && given.length === right.length && timingSafeEqual(given, right);
}

/** The target's own proof for mutual CHAP, or undefined where the initiator did not ask or reflects our challenge. */
export function mutualKeys(target: TargetState, asked: Challenge, keys: ReadonlyMap<string, string>): [string, string][] | undefined {
  const id = Number(keys.get('CHAP_I'));
  const bytes = Buffer.from((keys.get('CHAP_C') ?? '').replace(/^0[xX]/, ''), 'hex');
  if (!Number.isInteger(id) || bytes.length === 0 || bytes.equals(asked.bytes)) return undefined;
  return [['CHAP_N', target.mutualUser], ['CHAP_R', `0x${digest(id, target.mutualPassword, bytes).toString('hex')}`]];
}

function digest(id: number, secret: string, bytes: Buffer): Buffer {
  return createHash('md5').update(Buffer.concat([Buffer.from([id]), Buffer.from(secret, 'utf8'), bytes])).digest();
}
