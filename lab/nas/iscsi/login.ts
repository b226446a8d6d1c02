import { letsIn } from '../dsm/hosts.ts';
import { newChallenge } from '../../../lib/iscsi/chap.ts';
import { decodeText } from '../../../lib/iscsi/pdu.ts';
import type { NasState, TargetState } from '../state.ts';
import { challengeKeys, isAnswered, mutualKeys, type Challenge } from './chap.ts';
import { answerKey, OUR_DECLARATION, startingValues, type Agreed } from './negotiate.ts';
import type { Unit } from './pdu.ts';

/**
 * Login status as LIO sends it (`iscsi_target_locate_portal` in drivers/target/iscsi/iscsi_target_nego.c, the same in Linux 4.4 and 6):
 * an unknown target and one switched off are both "service unavailable", never "not found".
 */
export const status = { ok: 0, error: 0x0200, auth: 0x0201, acl: 0x0202, tooMany: 0x0206, missing: 0x0207, unavailable: 0x0301 } as const;

/** A login under way on one connection. `target` undefined with `discovery`. */
export type Login = {
  initiator: string;
  discovery: boolean;
  target: TargetState | undefined;
  readonly isid: string;
  readonly agreed: Agreed;
  started: boolean;
  proven: boolean;
  declared: boolean;
  challenge: Challenge | undefined;
  pending: Buffer;
};

/** What to send back. */
export type LoginTurn = { readonly status: number; readonly keys: readonly (readonly [string, string])[]; readonly moves: boolean; readonly done: boolean };

/** A login that has not begun. */
export function newLogin(isid: string): Login {
  return {
    initiator: '', discovery: false, target: undefined, isid, agreed: startingValues(),
    started: false, proven: false, declared: false, challenge: undefined, pending: Buffer.alloc(0),
  };
}

/** One turn of the login phase. */
export function turn(state: NasState, login: Login, unit: Unit): LoginTurn {
  login.pending = Buffer.concat([login.pending, unit.data]);
  if (login.pending.length > 65_536) return refuse(status.error);
  if ((unit.flags & 0x40) !== 0) return { status: 0, keys: [], moves: false, done: false };
  const keys = new Map(decodeText(login.pending));
  login.pending = Buffer.alloc(0);
  const stage = (unit.flags >> 2) & 3;
  const wants = (unit.flags & 0x80) !== 0 ? unit.flags & 3 : undefined;
  const answers: (readonly [string, string])[] = [];
  if (!login.started) {
    const begun = begin(state, login, keys);
    if (begun !== status.ok) return refuse(begun);
    if (!login.discovery) answers.push(['TargetPortalGroupTag', '1']);
  }
  if (stage === 0) return security(state, login, keys, answers, wants);
  if (stage !== 1) return refuse(status.error);
  if (!login.proven && needsChap(login)) return refuse(status.auth);
  for (const [key, value] of keys) {
    const answer = answerKey(login.agreed, key, value);
    if (answer !== undefined) answers.push([key, answer]);
  }
  if (!login.declared) answers.push(OUR_DECLARATION);
  login.declared = true;
  return { status: 0, keys: answers, moves: wants !== undefined, done: wants === 3 };
}

function begin(state: NasState, login: Login, keys: ReadonlyMap<string, string>): number {
  login.started = true;
  login.initiator = (keys.get('InitiatorName') ?? '').toLowerCase(); // IQNs know no case
  login.discovery = keys.get('SessionType') === 'Discovery';
  if (login.initiator === '' || !keys.has('SessionType')) return status.missing;
  if (login.discovery) return status.ok;
  const iqn = keys.get('TargetName');
  if (iqn === undefined) return status.missing;
  login.target = [...state.targets.values()].find((target) => target.iqn.toLowerCase() === iqn.toLowerCase());
  if (!login.target?.enabled) return status.unavailable;
  return isAllowed(state, login) ? status.ok : status.acl;
}

function isAllowed(state: NasState, { initiator, target }: Login): boolean {
  const { fault } = state;
  if (fault?.kind === 'deny initiators') return (fault.allowed ?? []).includes(initiator);
  return target === undefined || letsIn(state, target, initiator);
}

function needsChap(login: Login): boolean {
  return login.target !== undefined && login.target.authType > 0;
}

function security(state: NasState, login: Login, keys: ReadonlyMap<string, string>, answers: (readonly [string, string])[], wants: number | undefined): LoginTurn {
  const stay = (more: readonly (readonly [string, string])[]): LoginTurn => ({ status: 0, keys: [...answers, ...more], moves: false, done: false });
  const methods = keys.get('AuthMethod')?.split(',');
  if (methods) {
    const chosen = needsChap(login) ? 'CHAP' : 'None';
    if (!methods.includes(chosen)) return refuse(status.auth);
    answers.push(['AuthMethod', chosen]);
    if (chosen === 'CHAP') return stay([]);
  }
  if (needsChap(login) && !login.proven) {
    if (keys.has('CHAP_A')) {
      if (!keys.get('CHAP_A')?.split(',').includes('5')) return refuse(status.auth);
      login.challenge = newChallenge();
      return stay(challengeKeys(login.challenge));
    }
    const { target, challenge: asked } = login;
    if (!target || !asked || !isAnswered(target, asked, keys, state.fault?.kind === 'wrong chap')) return refuse(status.auth);
    login.challenge = undefined;
    login.proven = true;
    const mutual = target.authType === 2 ? mutualKeys(target, asked, keys) : [];
    if (!mutual) return refuse(status.auth);
    answers.push(...mutual);
  }
  return { status: 0, keys: answers, moves: wants !== undefined, done: wants === 3 };
}

function refuse(code: number): LoginTurn {
  return { status: code, keys: [], moves: false, done: false };
}
