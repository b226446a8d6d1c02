import { randomBytes } from 'node:crypto';
import { chapResponse, decodeBinary, encodeBinary, isRightResponse, newChallenge } from './chap.ts';
import type { Connection } from './connection.ts';
import { iscsiProblem, loginProblem, type IscsiAddress } from './errors.ts';
import { decodeText, encodeText, header, LARGEST_SEGMENT, op, opcodeOf } from './pdu.ts';

/** What a login gave: the numbers a session starts with, how long a piece we may send, and whether CHAP was asked for. */
export type LoggedIn = {
  readonly statSn: number;
  readonly cmdSn: number;
  readonly largestSend: number;
  readonly largestBurst: number;
  readonly chap: boolean;
};

/** The target's own secret and user, where it must prove itself to us too. */
export type MutualChap = { readonly user: string; readonly secret: string };

const SECURITY = 0;
const OPERATIONAL = 1;
const FULL = 3;

const OURS = {
  HeaderDigest: 'None', DataDigest: 'None', InitialR2T: 'Yes', ImmediateData: 'No', MaxConnections: '1', MaxOutstandingR2T: '1',
  MaxRecvDataSegmentLength: String(LARGEST_SEGMENT), MaxBurstLength: '262144', FirstBurstLength: '65536', ErrorRecoveryLevel: '0',
  DefaultTime2Wait: '2', DefaultTime2Retain: '0', DataPDUInOrder: 'Yes', DataSequenceInOrder: 'Yes',
};

type Answer = { readonly statSn: number; readonly expCmdSn: number; readonly moves: boolean; readonly next: number; readonly keys: ReadonlyMap<string, string> };

/**
 * The login phase (RFC 7143, 6 and 11.12): no authentication or CHAP with MD5, one-way or mutual, then the session's parameters.
 * Throws `E_ISCSI_AUTH`, `_ACL`, `_TARGET`, `_PORTAL`, `_PROTOCOL`.
 */
export async function logIn(connection: Connection, to: IscsiAddress, mutual?: MutualChap): Promise<LoggedIn> {
  const isid = Buffer.concat([Buffer.from([0x80]), randomBytes(5)]);
  let statSn = 0;
  const turn = async (stage: number, next: number | undefined, keys: Record<string, string>): Promise<Answer> => {
    const flags = (next === undefined ? 0 : 0x80 | next) | (stage << 2);
    const head = header(op.login, flags, 1, true);
    isid.copy(head, 8);
    head.writeUInt32BE(1, 24);
    head.writeUInt32BE(statSn, 28);
    connection.send(head, encodeText(keys));
    const answer = await readAnswer(connection, to);
    statSn = answer.statSn + 1;
    return answer;
  };
  const chapWanted = to.user !== undefined && to.secret !== undefined;
  const hello = {
    InitiatorName: to.initiator,
    ...(to.iqn === undefined ? { SessionType: 'Discovery' } : { SessionType: 'Normal', TargetName: to.iqn }),
    AuthMethod: chapWanted ? 'CHAP,None' : 'None',
  };
  let answer = await turn(SECURITY, OPERATIONAL, hello);
  const method = answer.keys.get('AuthMethod');
  const chap = method === 'CHAP';
  if (chap) answer = await proveOurselves(turn, to, mutual);
  else if (mutual) throw iscsiProblem('auth', to, 'the target was to prove itself by mutual CHAP, but asks for none');
  if (!answer.moves || answer.next !== OPERATIONAL && answer.next !== FULL) throw iscsiProblem('protocol', to, 'the login does not go on after authentication');
  const agreed = new Map(answer.keys);
  for (let turns = 0; answer.next !== FULL || !answer.moves; turns += 1) {
    if (turns === 8) throw iscsiProblem('protocol', to, 'the login does not come to an end');
    answer = await turn(OPERATIONAL, FULL, turns === 0 ? OURS : {});
    for (const [key, value] of answer.keys) agreed.set(key, value);
  }
  for (const key of ['HeaderDigest', 'DataDigest']) {
    if ((agreed.get(key) ?? 'None') !== 'None') throw iscsiProblem('protocol', to, `the target insists on ${key} ${agreed.get(key)}`);
  }
  return { statSn, cmdSn: answer.expCmdSn, chap, largestSend: number(agreed, 'MaxRecvDataSegmentLength', 8_192), largestBurst: number(agreed, 'MaxBurstLength', 262_144) };
}

type Turn = (stage: number, next: number | undefined, keys: Record<string, string>) => Promise<Answer>;

async function proveOurselves(turn: Turn, to: IscsiAddress, mutual: MutualChap | undefined): Promise<Answer> {
  const asked = (await turn(SECURITY, undefined, { CHAP_A: '5' })).keys;
  const id = Number(asked.get('CHAP_I'));
  const challenge = decodeBinary(asked.get('CHAP_C'));
  if (asked.get('CHAP_A') !== '5') throw iscsiProblem('auth', to, 'the target does not offer CHAP with MD5');
  if (!Number.isInteger(id) || id < 0 || id > 255 || !challenge) throw iscsiProblem('protocol', to, 'the CHAP challenge makes no sense');
  const ours = newChallenge();
  const answer = await turn(SECURITY, OPERATIONAL, {
    CHAP_N: to.user ?? '', CHAP_R: encodeBinary(chapResponse(id, to.secret ?? '', challenge)),
    ...(mutual ? { CHAP_I: String(ours.id), CHAP_C: encodeBinary(ours.challenge) } : {}),
  });
  if (mutual) {
    const right = isRightResponse(decodeBinary(answer.keys.get('CHAP_R')), ours.id, mutual.secret, ours.challenge);
    if (!right || answer.keys.get('CHAP_N') !== mutual.user) throw iscsiProblem('auth', to, 'the target could not prove itself by mutual CHAP');
  }
  return answer;
}

async function readAnswer(connection: Connection, to: IscsiAddress): Promise<Answer> {
  const keys = new Map<string, string>();
  const pdu = await connection.receive();
  if (opcodeOf(pdu) !== op.loginResponse) throw iscsiProblem('portal', to, 'what answers there does not speak iSCSI');
  const status = pdu.header.readUInt16BE(36);
  if (status !== 0) throw loginProblem(status, to);
  for (const [key, value] of decodeText(pdu.data)) keys.set(key, value);
  const flags = pdu.header.readUInt8(1);
  return { statSn: pdu.header.readUInt32BE(24), expCmdSn: pdu.header.readUInt32BE(28), moves: (flags & 0x80) !== 0, next: flags & 3, keys };
}

function number(keys: ReadonlyMap<string, string>, key: string, otherwise: number): number {
  const value = Number(keys.get(key) ?? otherwise);
  return Number.isInteger(value) && value >= 512 ? value : otherwise;
}
