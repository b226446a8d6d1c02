import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { createReader, encode, encodeText, header, op, opcodeOf, type Pdu } from '../../../lib/iscsi/pdu.ts';
import { openSession, type HeldSession, type SessionOptions } from '../../../lib/iscsi/session.ts';
import { testHost } from '../../support/host.ts';

export const TARGET = { iqn: 'iqn.2026-01.local.test:data', initiator: 'iqn.2026-11.local.test:desk' };

/** A command block that asks for nothing: TEST UNIT READY. */
export const READY = Buffer.alloc(16);

/** What a portal does on one connection. */
export type Script = (peer: Peer) => Promise<void>;

/** The target's side of one connection, played by a test: what comes is awaited, what goes is written by hand. */
export type Peer = {
  readonly socket: Socket;
  /** The next unit; with an opcode, fails where it is another. */
  receive(opcode?: number): Promise<Pdu>;
  /** Sends a unit; numbers of the session (StatSN, ExpCmdSN, MaxCmdSN) are put in unless told. */
  send(head: Buffer, data?: Buffer, numbers?: Partial<Numbers>): void;
  /** Plays a login without authentication; `agreed` are the answers to the operational keys. */
  logIn(agreed?: Record<string, string>): Promise<void>;
  /** Answers a command with good status. */
  good(command: Pdu): void;
};

type Numbers = { stat: number; expected: number; window: number };

/** Listens at the address, port 3260, and plays each connection with the next script. A script that fails is told by `failures`. */
export async function openPortal(address: string, ...scripts: readonly Script[]): Promise<{ readonly failures: unknown[]; [Symbol.asyncDispose](): Promise<void> }> {
  const failures: unknown[] = [];
  const left = [...scripts];
  const sockets = new Set<Socket>();
  const server = createServer({ noDelay: true }, (socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    const script = left.shift();
    if (!script) failures.push(new Error('one connection too many'));
    else script(createPeer(socket)).catch((error: unknown) => failures.push(error));
  }).listen(3260, address);
  await once(server, 'listening');
  return {
    failures,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

function createPeer(socket: Socket): Peer {
  const reader = createReader();
  const numbers: Numbers = { stat: 1, expected: 1, window: 64 };
  const parts = socket[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
  const peer: Peer = {
    socket,
    async receive(opcode) {
      for (;;) {
        const pdu = reader.take();
        if (pdu) {
          if (opcode !== undefined && opcodeOf(pdu) !== opcode) throw new Error(`expected opcode ${opcode}, not ${opcodeOf(pdu)}`);
          if ((pdu.header.readUInt8(0) & 0x40) === 0 && opcodeOf(pdu) !== op.dataOut) numbers.expected = pdu.header.readUInt32BE(24) + 1;
          return pdu;
        }
        const { value, done } = await parts.next();
        if (done) throw new Error('the initiator hung up');
        reader.push(value);
      }
    },
    send(head, data, told = {}) {
      const { stat, expected, window } = { stat: numbers.stat, expected: numbers.expected, window: numbers.expected + numbers.window, ...told };
      head.writeUInt32BE(stat, 24);
      head.writeUInt32BE(expected, 28);
      head.writeUInt32BE(window, 32);
      const code = opcodeOf({ header: head, data: head });
      if (code !== op.readyToTransfer && code !== op.nopIn && !(code === op.dataIn && (head.readUInt8(1) & 1) === 0)) numbers.stat += 1;
      for (const part of encode(head, data)) socket.write(part);
    },
    async logIn(agreed = {}) {
      for (const stage of [0, 1]) {
        const request = await peer.receive(op.login);
        numbers.expected = request.header.readUInt32BE(24);
        const head = header(op.loginResponse, stage === 0 ? 0x81 : 0x87, 1);
        request.header.copy(head, 8, 8, 14);
        peer.send(head, encodeText(stage === 0 ? [['TargetPortalGroupTag', '1'], ['AuthMethod', 'None']] : Object.entries(agreed)));
      }
    },
    good: (command) => peer.send(header(op.response, 0x80, command.header.readUInt32BE(16))),
  };
  return peer;
}

/** Opens a session with a portal that plays the script after its login, and closes both after use. */
export async function playing(address: string, script: Script, use: (session: HeldSession) => Promise<void>, options: SessionOptions & { agreed?: Record<string, string> } = {}): Promise<void> {
  const host = testHost();
  await using portal = await openPortal(address, async (peer) => {
    await peer.logIn(options.agreed);
    await script(peer);
  });
  try {
    const session = await openSession(host, { ...TARGET, portal: `${address}:3260` }, options);
    await use(session);
    session.drop();
    assert.deepEqual(portal.failures, []);
  } finally {
    host.remove();
  }
}
