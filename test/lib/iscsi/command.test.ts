import assert from 'node:assert/strict';
import { test } from 'node:test';
import { header, NO_TAG, op, type Pdu } from '../../../lib/iscsi/pdu.ts';
import { readBlocks, writeBlocks } from '../../../lib/iscsi/scsi.ts';
import { failure } from '../../storage/support.ts';
import { playing, type Peer } from './portal.ts';

const ADDRESS = '127.100.11.2';

/** Takes a write of `total` bytes: what came with the command, unasked after it, and asked for in bursts of 8192; then ends it well. */
async function takeWrite(peer: Peer, total: number): Promise<{ readonly within: number; readonly unasked: number; readonly data: Buffer }> {
  const command = await peer.receive(op.command);
  const data = Buffer.alloc(total);
  const tag = command.header.readUInt32BE(16);
  let got = command.data.copy(data);
  const collect = async (transfer: number): Promise<void> => {
    for (let piece = 0, final = false; !final; piece += 1) {
      const pdu = await peer.receive(op.dataOut);
      assert.deepEqual([pdu.header.readUInt32BE(16), pdu.header.readUInt32BE(20), pdu.header.readUInt32BE(36), pdu.header.readUInt32BE(40)], [tag, transfer, piece, got]);
      assert.ok(pdu.data.length <= 4_096);
      got += pdu.data.copy(data, got);
      final = (pdu.header.readUInt8(1) & 0x80) !== 0;
    }
  };
  const within = got;
  if ((command.header.readUInt8(1) & 0x80) === 0) await collect(NO_TAG);
  const unasked = got - within;
  while (got < total) {
    const ready = header(op.readyToTransfer, 0x80, tag);
    ready.writeUInt32BE(99, 20);
    ready.writeUInt32BE(got, 40);
    ready.writeUInt32BE(Math.min(8_192, total - got), 44);
    peer.send(ready);
    await collect(99);
  }
  peer.good(command);
  peer.good(await peer.receive(op.command)); // SYNCHRONIZE CACHE
  return { within, unasked, data };
}

for (const [ImmediateData, InitialR2T, within, unasked] of [['No', 'Yes', 0, 0], ['Yes', 'Yes', 4_096, 0], ['No', 'No', 0, 10_240], ['Yes', 'No', 4_096, 6_144]] as const) {
  test(`data to write goes as agreed: ImmediateData=${ImmediateData}, InitialR2T=${InitialR2T}`, async () => {
    const data = Buffer.from(Array.from({ length: 20_480 }, (_, at) => at * 7));
    let taken: Awaited<ReturnType<typeof takeWrite>> | undefined;
    await playing(ADDRESS, async (peer) => { taken = await takeWrite(peer, data.length); }, (session) => writeBlocks(session, 1, 0, data), {
      agreed: { ImmediateData, InitialR2T, MaxRecvDataSegmentLength: '4096', FirstBurstLength: '10240', MaxBurstLength: '8192' },
    });
    assert.deepEqual(taken && { within: taken.within, unasked: taken.unasked }, { within, unasked });
    assert.ok(taken?.data.equals(data));
  });
}

const ofData = (command: Pdu, at: number, flags: number): Buffer => {
  const head = header(op.dataIn, flags, command.header.readUInt32BE(16));
  head.writeUInt32BE(at, 40);
  return head;
};

/** What a target may do to a read, and what must come of it. */
const BROKEN: readonly (readonly [string, string, RegExp, (peer: Peer, command: Pdu) => void])[] = [
  ['a piece is missing', 'PROTOCOL', /missing/, (peer, command) => peer.send(ofData(command, 256, 0x81), Buffer.alloc(256))],
  ['less than it says', 'PROTOCOL', /less data/, (peer, command) => peer.send(ofData(command, 0, 0x81), Buffer.alloc(256))],
  ['more than was asked for', 'PROTOCOL', /more data/, (peer, command) => peer.send(ofData(command, 0, 0x81), Buffer.alloc(1_024))],
  ['an answer to nothing', 'PROTOCOL', /did not ask/, (peer) => peer.send(header(op.response, 0x80, 77))],
  ['a reject', 'PROTOCOL', /rejects/, (peer) => peer.send(header(op.reject, 0x80, NO_TAG), Buffer.alloc(48))],
  ['a wish for data to write', 'PROTOCOL', /not ours to give/, (peer, command) => peer.send(header(op.readyToTransfer, 0x80, command.header.readUInt32BE(16)))],
  ['an unknown opcode', 'PROTOCOL', /0x3a/, (peer, command) => peer.send(header(0x3a, 0x80, command.header.readUInt32BE(16)))],
  ['a failed command', 'PROTOCOL', /response 1/, (peer, command) => {
    const head = header(op.response, 0x80, command.header.readUInt32BE(16));
    head[2] = 1;
    peer.send(head);
  }],
  ['a hang-up', 'RESET', /hung up|ECONNRESET/, (peer) => void peer.socket.end()],
  ['a reset', 'RESET', /ECONNRESET/, (peer) => void peer.socket.resetAndDestroy()],
  ['garbage', 'RESET', /does not speak iSCSI/, (peer) => void peer.socket.write(Buffer.alloc(400, 0xee))],
  ['silence', 'RESET', /within 0.1 s/, () => {}],
  ...([[1, /log out/], [2, /drops the connection/], [3, /every connection/], [4, /negotiate/]] as const).map(([event, says]) => [`asynchronous message ${event}`, 'RESET', says, (peer: Peer) => {
    const head = header(op.asyncMessage, 0x80, NO_TAG);
    head[36] = event;
    peer.send(head);
  }] as const),
];

for (const [title, code, says, act] of BROKEN) {
  test(`amid a read: ${title} ends the session with E_ISCSI_${code}`, () => playing(ADDRESS, async (peer) => {
    act(peer, await peer.receive(op.command));
  }, async (session) => {
    const error = await failure(readBlocks(session, 1, 0, 1));
    assert.equal(error.code, `E_ISCSI_${code}`, error.message);
    assert.match(error.message, says);
    assert.equal(await session.ended, error);
    assert.equal(await failure(readBlocks(session, 1, 0, 1)), error, 'and says so again');
  }, { deadlineMs: title === 'silence' ? 100 : 10_000 }));
}

test('busy, full and unit attention are asked again; a reservation and write protection are told', () => playing(ADDRESS, async (peer) => {
  const answer = async (status: number, sense?: Buffer): Promise<void> => {
    const head = header(op.response, 0x80, (await peer.receive(op.command)).header.readUInt32BE(16));
    head[3] = status;
    peer.send(head, sense);
  };
  const attention = Buffer.from([0, 18, 0x70, 0, 6, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0x29, 0, 0, 0, 0, 0]);
  for (const [status, sense] of [[8], [0x28], [2, attention], [0]] as const) await answer(status, sense);
  await answer(0);
  await answer(0x18);
  await answer(2, Buffer.from([0, 8, 0x72, 7, 0x27, 0, 0, 0, 0, 0]));
}, async (session) => {
  await writeBlocks(session, 1, 0, Buffer.alloc(512));
  assert.match((await failure(writeBlocks(session, 1, 0, Buffer.alloc(512)))).message, /another host has reserved it/);
  assert.match((await failure(writeBlocks(session, 1, 0, Buffer.alloc(512)))).message, /write-protected \(sense 7, 0x2700\)/);
}, { agreed: { ImmediateData: 'Yes' } }));
