import { randomBytes } from 'node:crypto';
import { isIP } from 'node:net';
import { chapResponse, decodeBinary, encodeBinary, isRightResponse, newChallenge } from './chap.ts';
import type { Connection } from './connection.ts';
import { iscsiProblem, loginProblem, type IscsiAddress, type MutualChap } from './errors.ts';
import { decodeText, encodeText, FINAL, header, LARGEST_SEGMENT, op, opcodeOf } from './pdu.ts';

/** What a login gave: the numbers a session starts with, what was agreed about sending data (bytes), and whether CHAP was asked for. */
export type LoggedIn = {
  readonly statSn: number;
  readonly cmdSn: number;
  readonly maxCmdSn: number;
  /** The longest data segment the target takes. */
  readonly largestSend: number;
  /** How much may go out before the target asks, in all; 0 where nothing may. */
  readonly firstBurst: number;
  /** Whether data may travel with the command itself, and whether in units of their own before the target asks. */
  readonly immediate: boolean;
  readonly unsolicited: boolean;
  readonly chap: boolean;
};

/** The portal that a target has moved to, as `address:port`. */
export type Moved = { readonly movedTo: string };

const SECURITY = 0;
const OPERATIONAL = 1;
const FULL = 3;
const MOVED = new Set([0x0101, 0x0102]);
const MOST_TEXT = 65_536;

const OURS: readonly (readonly [string, string])[] = Object.entries({
  HeaderDigest: 'None', DataDigest: 'None', InitialR2T: 'No', ImmediateData: 'Yes', MaxConnections: '1', MaxOutstandingR2T: '1',
  MaxRecvDataSegmentLength: String(LARGEST_SEGMENT), MaxBurstLength: '262144', FirstBurstLength: '65536', ErrorRecoveryLevel: '0',
  DefaultTime2Wait: '2', DefaultTime2Retain: '0', DataPDUInOrder: 'Yes', DataSequenceInOrder: 'Yes',
});
const OURS_IN_DISCOVERY = OURS.filter(([key]) => /Digest|MaxRecv|DefaultTime|ErrorRecovery/.test(key));

type Pairs = readonly (readonly [string, string])[];
type Answer = {
  readonly statSn: number; readonly expCmdSn: number; readonly maxCmdSn: number; readonly moves: boolean; readonly next: number;
  readonly keys: ReadonlyMap<string, string>; readonly movedTo?: string;
};
type Turn = (stage: number, next: number | undefined, keys: Pairs) => Promise<Answer>;

/**
 * The login phase (RFC 7143, 6 and 11.12): no authentication or CHAP with MD5 (CHAP_A 5, the one every target has), one-way or
 * mutual, then the session's parameters. A redirect is given back, not followed. `answerMs` holds for each answer.
 * Throws `E_ISCSI_AUTH`, `_MUTUAL`, `_ACL`, `_TARGET`, `_PORTAL`, `_PROTOCOL`.
 */
export async function logIn(connection: Connection, to: IscsiAddress, answerMs: number, mutual?: MutualChap): Promise<LoggedIn | Moved> {
  const chapWanted = to.user !== undefined && to.secret !== undefined;
  if (mutual && mutual.secret === to.secret) throw iscsiProblem('mutual', to, 'the target’s secret is the same as ours, so it proves nothing');
  const turn = createTurns(connection, to, answerMs);
  const hello: Pairs = [
    ['InitiatorName', to.initiator], ...(to.iqn === undefined ? [['SessionType', 'Discovery']] as const : [['SessionType', 'Normal'], ['TargetName', to.iqn]] as const),
    ['AuthMethod', chapWanted ? 'CHAP,None' : 'None'],
  ];
  let answer = await turn(SECURITY, OPERATIONAL, hello);
  const chap = answer.keys.get('AuthMethod') === 'CHAP';
  if (chap && !chapWanted) throw iscsiProblem('protocol', to, 'the target wants CHAP though we did not offer it');
  if (chap) answer = await proveOurselves(turn, to, mutual);
  else if (mutual && answer.movedTo === undefined) throw iscsiProblem('mutual', to, 'the target was to prove itself by mutual CHAP, but asks for none');
  if (answer.movedTo !== undefined) return { movedTo: answer.movedTo };
  if (!answer.moves || answer.next === SECURITY) throw iscsiProblem('protocol', to, 'the login does not go on after authentication');
  const agreed = new Map(answer.keys);
  for (let turns = 0; answer.next !== FULL || !answer.moves; turns += 1) {
    if (turns === 8) throw iscsiProblem('protocol', to, 'the login does not come to an end');
    answer = await turn(OPERATIONAL, FULL, turns > 0 ? [] : to.iqn === undefined ? OURS_IN_DISCOVERY : OURS);
    if (answer.movedTo !== undefined) return { movedTo: answer.movedTo };
    for (const [key, value] of answer.keys) agreed.set(key, value);
  }
  for (const key of ['HeaderDigest', 'DataDigest']) {
    if ((agreed.get(key) ?? 'None') !== 'None') throw iscsiProblem('protocol', to, `the target insists on ${key}`);
  }
  const immediate = agreed.get('ImmediateData') === 'Yes';
  const unsolicited = agreed.get('InitialR2T') === 'No';
  return {
    statSn: answer.statSn, cmdSn: answer.expCmdSn, maxCmdSn: answer.maxCmdSn, chap, immediate, unsolicited,
    largestSend: size(agreed, 'MaxRecvDataSegmentLength', 8_192), firstBurst: immediate || unsolicited ? Math.min(65_536, size(agreed, 'FirstBurstLength', 65_536)) : 0,
  };
}

function createTurns(connection: Connection, to: IscsiAddress, answerMs: number): Turn {
  const isid = Buffer.concat([Buffer.from([0x80]), randomBytes(5)]);
  let statSn = 0;
  return async (stage, next, keys) => {
    let ask: Pairs = keys;
    const parts: Buffer[] = [];
    for (;;) {
      const head = header(op.login, (parts.length > 0 || next === undefined ? 0 : FINAL | next) | (stage << 2), 1, true);
      isid.copy(head, 8);
      head.writeUInt32BE(1, 24);
      head.writeUInt32BE(statSn, 28);
      connection.send(head, encodeText(ask));
      const { header: reply, data } = await nextAnswer(connection, to, answerMs);
      parts.push(data);
      statSn = (reply.readUInt32BE(24) + 1) >>> 0;
      const status = reply.readUInt16BE(36);
      const flags = reply.readUInt8(1);
      if (status === 0 && (flags & 0x40) !== 0) { // the answer is longer than one unit: an empty request brings the rest
        if (parts.reduce((sum, part) => sum + part.length, 0) > MOST_TEXT) throw iscsiProblem('protocol', to, 'the target’s part of the login does not end');
        ask = [];
        continue;
      }
      const answered = new Map(decodeText(Buffer.concat(parts)));
      if (status !== 0 && !MOVED.has(status)) throw loginProblem(status, to);
      return {
        statSn, expCmdSn: reply.readUInt32BE(28), maxCmdSn: reply.readUInt32BE(32), moves: (flags & FINAL) !== 0, next: flags & 3, keys: answered,
        ...(status === 0 ? {} : { movedTo: movedTo(answered.get('TargetAddress'), status, to) }),
      };
    }
  };
}

async function nextAnswer(connection: Connection, to: IscsiAddress, answerMs: number): Promise<{ readonly header: Buffer; readonly data: Buffer }> {
  const pdu = await connection.receive(answerMs);
  if (opcodeOf(pdu) === op.reject) throw iscsiProblem('protocol', to, `the target rejects our login (reason ${pdu.header.readUInt8(2)})`);
  if (opcodeOf(pdu) !== op.loginResponse) throw iscsiProblem('portal', to, 'what answers there does not speak iSCSI');
  return pdu;
}

/** Only a plain address is taken: what we log in to next is never up to a name service the target chose. */
function movedTo(text: string | undefined, status: number, to: IscsiAddress): string {
  const [, bare = '', port = '3260'] = /^(\[[^\]]*\]|[^:,]*)(?::(\d{1,5}))?(?:,\d+)?$/.exec(text ?? '') ?? [];
  const address = bare.replace(/^\[|\]$/g, '');
  if (isIP(address) === 0 || Number(port) < 1 || Number(port) > 65_535) throw loginProblem(status, to);
  return `${bare}:${port}`;
}

async function proveOurselves(turn: Turn, to: IscsiAddress, mutual: MutualChap | undefined): Promise<Answer> {
  const asked = (await turn(SECURITY, undefined, [['CHAP_A', '5']])).keys;
  const id = Number(asked.get('CHAP_I') ?? Number.NaN);
  const challenge = decodeBinary(asked.get('CHAP_C'));
  if (asked.get('CHAP_A') !== '5') throw iscsiProblem('auth', to, 'the target does not take CHAP with MD5 (CHAP_A 5), the only kind firstlight speaks');
  if (!Number.isInteger(id) || id < 0 || id > 255 || !challenge) throw iscsiProblem('protocol', to, 'the CHAP challenge makes no sense');
  const ours = newChallenge();
  const answer = await turn(SECURITY, OPERATIONAL, [
    ['CHAP_N', to.user ?? ''], ['CHAP_R', encodeBinary(chapResponse(id, to.secret ?? '', challenge))],
    ...(mutual ? [['CHAP_I', String(ours.id)], ['CHAP_C', encodeBinary(ours.challenge)]] as const : []),
  ]);
  if (mutual && answer.movedTo === undefined) {
    const right = isRightResponse(decodeBinary(answer.keys.get('CHAP_R')), ours.id, mutual.secret, ours.challenge);
    if (!right || answer.keys.get('CHAP_N') !== mutual.user) throw iscsiProblem('mutual', to, 'the target could not prove itself by mutual CHAP');
  }
  return answer;
}

function size(keys: ReadonlyMap<string, string>, key: string, otherwise: number): number {
  const value = Number(keys.get(key) ?? otherwise);
  return Number.isInteger(value) && value >= 512 ? value : otherwise;
}
