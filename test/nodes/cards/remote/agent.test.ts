import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { answerReader, requestHeader, type Answer } from '../../../../nodes/cards/remote/frames.ts';
import { testHost } from '../../../support/host.ts';
import { cardFile, start } from '../support.ts';
import { NO_PYTHON } from './support.ts';

const PROGRAM = join(import.meta.dirname, '../../../../nodes/cards/remote/agent.py');
const host = testHost();
after(() => host.remove());

/** The agent itself, on pipes. */
function agent(silenceSeconds: number): { readonly child: ChildProcess; readonly gone: Promise<unknown[]>; next(): Promise<Answer> } {
  const child = spawn('python3', ['-IS', PROGRAM, String(silenceSeconds)], { stdio: ['pipe', 'pipe', 'inherit'] });
  const answers: Answer[] = [];
  const waiting: ((answer: Answer) => void)[] = [];
  const read = answerReader((answer) => {
    const next = waiting.shift();
    if (next) next(answer);
    else answers.push(answer);
  });
  child.stdout!.on('data', read);
  child.stdin!.on('error', () => {});
  return { child, gone: once(child, 'exit'), next: async () => answers.shift() ?? new Promise((resolve) => { waiting.push(resolve); }) };
}

test('it ends at the end of its input, after a time of silence, and at what it does not understand', { timeout: 20_000, skip: NO_PYTHON }, async () => {
  const closed = agent(60);
  assert.equal((await closed.next()).id, 0);
  closed.child.stdin!.end();
  assert.deepEqual(await closed.gone, [0, null]);
  const silent = agent(0.2);
  assert.deepEqual(await silent.gone, [3, null]);
  const strange = agent(60);
  strange.child.stdin!.write(Buffer.alloc(24, 0x58));
  assert.deepEqual(await strange.gone, [4, null]);
});

test('half a request, cut off, is never done', { timeout: 20_000, skip: NO_PYTHON }, async () => {
  const device = cardFile(host.scratch, 'card', Buffer.alloc(8192, 1), 1_000_000);
  const { child, gone, next } = agent(60);
  await next();
  const question = Buffer.from(JSON.stringify({ what: 'open', path: device, write: true }));
  child.stdin!.write(Buffer.concat([requestHeader(1, { operation: 'question', payload: question }), question]));
  const { handle } = JSON.parse((await next()).payload.toString()) as { handle: number };
  child.stdin!.write(requestHeader(2, { operation: 'write', handle, at: 0, payload: Buffer.alloc(4096, 2) }));
  child.stdin!.end(Buffer.alloc(4095, 2));
  assert.deepEqual(await gone, [0, null]);
  assert.ok((await start(device, 8192)).equals(Buffer.alloc(8192, 1)));
});

test('answers come whole, however the bytes are cut and whatever a shell said before', () => {
  const wire = Buffer.concat([Buffer.from('Last login: never\n\n<firstlight-card-agent>\n'), ...[['a', 1], ['', 2], ['bcd', 3]].map(([text, id]) => {
    const payload = Buffer.from(String(text));
    const header = Buffer.alloc(16);
    header.writeUInt32BE(Number(id), 0);
    header.writeUInt32BE(7, 8);
    header.writeUInt32BE(payload.length, 12);
    return Buffer.concat([header, payload]);
  })]);
  for (const size of [1, 2, 3, 5, 16, 17, 1000]) {
    const seen: string[] = [];
    const read = answerReader((answer) => seen.push(`${answer.id} ${answer.value} ${answer.payload.toString()}`));
    for (let at = 0; at < wire.length; at += size) assert.ok(read(wire.subarray(at, at + size)));
    assert.deepEqual(seen, ['1 7 a', '2 7 ', '3 7 bcd'], `in pieces of ${size}`);
  }
  const noise = answerReader(() => assert.fail('no answer'));
  assert.equal(noise(Buffer.alloc(65_537, 0x20)), false);
});
