import type { Socket } from 'node:net';
import { decodeText, encode, encodeText, header as newHeader, NO_TAG, op } from '../../../lib/iscsi/pdu.ts';
import type { NasState, SessionState } from '../state.ts';
import { newLogin, status, turn, type Login } from './login.ts';
import { units, type Unit } from './pdu.ts';
import { startPings, type Pings } from './ping.ts';
import { beginSession, crowded, endSession } from './sessions.ts';
import { createTasks, type Numbers } from './tasks.ts';

const WINDOW = 64;

/** Serves one initiator's connection until it logs out, hangs up, or leaves pings unanswered (asked after `pingMs` of silence). */
export async function serveConnection(state: NasState, socket: Socket, pingMs?: number): Promise<void> {
  const numbers = createNumbers(socket);
  let login: Login | undefined;
  let session: SessionState | undefined;
  let tasks: ReturnType<typeof createTasks> | undefined;
  let pings: Pings | undefined;
  try {
    for await (const unit of units(socket as AsyncIterable<Buffer>)) {
      if (state.fault?.kind === 'hang') continue;
      pings?.heard();
      if (unit.opcode === op.login && !tasks) {
        if (!login) numbers.expected = unit.header.readUInt32BE(24);
        login ??= newLogin(unit.header.subarray(8, 14).toString('hex'));
        const answer = turn(state, login, unit);
        const refused = answer.status || (answer.done && login.target ? crowded(state, login, login.target) : status.ok);
        sendLogin(numbers, unit, refused, answer.moves, encodeText(answer.keys), answer.done ? 1 : 0);
        if (refused !== status.ok) break;
        if (!answer.done) continue;
        session = login.target && beginSession(state, login, login.target, socket);
        tasks = createTasks(state, numbers, login.agreed, session);
        pings = startPings((head) => numbers.send(waiting(numbers, head)), () => void socket.destroy(), pingMs);
        continue;
      }
      if (!tasks || !login) break;
      if (!numbers.took(unit)) continue;
      if (unit.opcode === op.logout) {
        numbers.send(numbered(numbers, newHeader(op.logoutResponse, 0x80, unit.tag)));
        break;
      }
      await serveUnit(state, numbers, login, tasks, unit);
      if (state.fault?.kind === 'cut') break;
    }
  } finally {
    pings?.stop();
    if (session) endSession(state, session);
    socket.end();
    socket.destroySoon();
  }
}

async function serveUnit(state: NasState, numbers: Numbers, login: Login, tasks: ReturnType<typeof createTasks>, unit: Unit): Promise<void> {
  switch (unit.opcode) {
    case op.command:
      if (login.discovery) return rejectUnit(numbers, unit);
      return await tasks.command(unit);
    case op.dataOut:
      return await tasks.dataOut(unit);
    case op.task:
      return numbers.send(numbered(numbers, withResponse(newHeader(op.taskResponse, 0x80, unit.tag), tasks.manage(unit))));
    case op.nopOut:
      if (unit.tag === NO_TAG) return;
      return numbers.send(numbered(numbers, withTransfer(newHeader(op.nopIn, 0x80, unit.tag))), unit.data);
    case op.text:
      return numbers.send(numbered(numbers, withTransfer(newHeader(op.textResponse, 0x80, unit.tag))), targetList(state, login, unit));
    default:
      return rejectUnit(numbers, unit);
  }
}

function createNumbers(socket: Socket): Numbers {
  return {
    stat: 1, expected: 1,
    took(unit) {
      if (unit.immediate || unit.opcode === op.dataOut) return true;
      // One connection keeps order: any other number is outside the window, and ignored (RFC 7143, 4.2.2.1).
      if (unit.header.readUInt32BE(24) !== this.expected) return false;
      this.expected = (this.expected + 1) >>> 0;
      return true;
    },
    send(header, data) {
      if (!socket.writable) return;
      socket.cork();
      for (const part of encode(header, data)) socket.write(part);
      socket.uncork();
    },
    stamp(header) {
      header.writeUInt32BE(this.expected, 28);
      header.writeUInt32BE((this.expected + WINDOW) >>> 0, 32);
      return header;
    },
  };
}

/** Stamps a header that carries status: it takes the next status number. */
function numbered(numbers: Numbers, header: Buffer): Buffer {
  header.writeUInt32BE(numbers.stat, 24);
  numbers.stat = (numbers.stat + 1) >>> 0;
  return numbers.stamp(header);
}

/** Stamps a header that only tells the next status number. */
function waiting(numbers: Numbers, header: Buffer): Buffer {
  header.writeUInt32BE(numbers.stat, 24);
  return numbers.stamp(header);
}

function withTransfer(header: Buffer): Buffer {
  header.writeUInt32BE(NO_TAG, 20);
  return header;
}

function withResponse(header: Buffer, response: number): Buffer {
  header.writeUInt8(response, 2);
  return header;
}

function rejectUnit(numbers: Numbers, unit: Unit): void {
  const header = withResponse(newHeader(op.reject, 0x80, NO_TAG), 0x05);
  numbers.send(numbered(numbers, header), Buffer.from(unit.header));
}

function sendLogin(numbers: Numbers, unit: Unit, code: number, moves: boolean, data: Buffer, tsih: number): void {
  const header = newHeader(op.loginResponse, (unit.flags & 0x0c) | (moves && code === 0 ? 0x80 | (unit.flags & 3) : 0), unit.tag);
  unit.header.copy(header, 8, 8, 14);
  header.writeUInt16BE(code === 0 ? tsih : 0, 14);
  header.writeUInt16BE(code, 36);
  numbers.send(numbered(numbers, header), code === 0 ? data : undefined);
}

/** SendTargets: all that are switched on in discovery, else the session's own. LIO lists targets to initiators outside the ACL too. */
function targetList(state: NasState, login: Login, unit: Unit): Buffer {
  const wanted = new Map(decodeText(unit.data)).get('SendTargets');
  if (wanted === undefined) return Buffer.alloc(0);
  const all = [...state.targets.values()].filter((target) => target.enabled && (wanted === 'All' ? login.discovery || target === login.target : wanted === '' ? target === login.target : target.iqn === wanted));
  const { address, iscsiPort } = state.options;
  return encodeText(all.flatMap((target) => [['TargetName', target.iqn], ['TargetAddress', `${address}:${iscsiPort},1`]] as const));
}
