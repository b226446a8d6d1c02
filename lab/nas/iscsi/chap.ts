import { chapResponse, decodeBinary, encodeBinary, isRightResponse, newChallenge } from '../../../lib/iscsi/chap.ts';
import type { TargetState } from '../state.ts';

/** What a target asked and still waits to have answered. */
export type Challenge = ReturnType<typeof newChallenge>;

/** The keys by which a challenge goes onto the wire: MD5, as LIO prefers where it is offered. */
export function challengeKeys(asked: Challenge): [string, string][] {
  return [['CHAP_A', '5'], ['CHAP_I', String(asked.id)], ['CHAP_C', encodeBinary(asked.challenge)]];
}

/** True when name and response are the target's user and the MD5 over its secret. `spoiled` makes every secret a wrong one. */
export function isAnswered(target: TargetState, asked: Challenge, keys: ReadonlyMap<string, string>, spoiled: boolean): boolean {
  return !spoiled && keys.get('CHAP_N') === target.user && isRightResponse(decodeBinary(keys.get('CHAP_R')), asked.id, target.password, asked.challenge);
}

/** The target's own proof for mutual CHAP, or undefined where the initiator did not ask or reflects our challenge. */
export function mutualKeys(target: TargetState, asked: Challenge, keys: ReadonlyMap<string, string>): [string, string][] | undefined {
  const id = Number(keys.get('CHAP_I') ?? Number.NaN);
  const challenge = decodeBinary(keys.get('CHAP_C'));
  if (!Number.isInteger(id) || !challenge || challenge.equals(asked.challenge)) return undefined;
  return [['CHAP_N', target.mutualUser], ['CHAP_R', encodeBinary(chapResponse(id, target.mutualPassword, challenge))]];
}
