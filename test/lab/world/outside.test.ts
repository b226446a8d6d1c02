import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import dgram from 'node:dgram';
import { lookup } from 'node:dns/promises';
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { after, before, test } from 'node:test';
import { watchOutside, type OutsideWatch } from '../../../lab/world/outside.ts';
import { until } from '../../support/processes.ts';

// The plan's network, and a host beside it that stands for a real machine: nothing leaves this one.
const PLAN = '127.110.1.0/24';
const INSIDE = '127.110.1.9';
const OUTSIDE = '127.110.2.9';

const heard: Socket[] = [];
const servers = [createServer((socket) => void socket.end('inside').on('error', () => {})), createServer((socket) => heard.push(socket.on('error', () => {})))];
let ports: number[];

before(async () => {
  servers.forEach((server, index) => server.listen(0, [INSIDE, OUTSIDE][index]));
  await Promise.all(servers.map((server) => once(server, 'listening')));
  ports = servers.map((server) => (server.address() as { port: number }).port);
});
after(() => {
  servers.forEach((server) => server.close());
  heard.forEach((socket) => socket.destroy());
});

async function watched(work: (watch: OutsideWatch) => Promise<void>): Promise<void> {
  const watch = watchOutside(PLAN);
  try {
    await work(watch);
  } finally {
    watch.close();
  }
}

test('our own connections, however made, get to the plan’s network and nowhere else', async () => {
  const ways: Record<string, () => Promise<unknown>> = {
    socket: async () => await once(connect(ports[1]!, OUTSIDE), 'connect'),
    fetch: () => fetch(`http://${OUTSIDE}:${ports[1]}/`),
    name: () => fetch(`http://machine.invalid:${ports[1]}/`),
    lookup: () => lookup('machine.invalid'),
    datagram: () => new Promise((_, reject) => { const socket = dgram.createSocket('udp4'); socket.send('x', 53, OUTSIDE, (error) => { socket.close(); reject(error ?? new Error('sent')); }); }),
  };
  for (const [name, way] of Object.entries(ways)) {
    await watched(async (watch) => {
      await assert.rejects(way(), (error: Error) => ((error.cause ?? error) as { code?: unknown }).code === 'E_LAB_OUTSIDE', name);
      assert.equal(watch.signal.aborted, true);
      assert.match(watch.seen()?.message ?? '', /^firstlight itself was about to (speak to 127\.110\.2\.9|look up machine\.invalid)/);
    });
  }
  assert.equal(heard.length, 0);
  await watched(async (watch) => {
    const [data] = await once(connect(ports[0]!, INSIDE), 'data') as [Buffer];
    assert.equal(data.toString(), 'inside');
    assert.equal(watch.seen(), undefined);
  });
  const unwatched = connect(ports[1]!, OUTSIDE);
  await once(unwatched, 'connect');
  unwatched.destroy();
});

test('a program below us that gets outside is killed, and it is said which and where', { skip: process.platform !== 'linux' }, async () => {
  await watched(async (watch) => {
    const script = (host: string, port: number): string => `require('node:net').connect(${port}, '${host}').resume(); setInterval(() => {}, 1000)`;
    const allowed = spawn(process.execPath, ['-e', script(INSIDE, ports[0]!)], { stdio: 'ignore' });
    const refused = spawn('/bin/sh', ['-c', '"$@" & wait', 'sh', process.execPath, '-e', script(OUTSIDE, ports[1]!)], { stdio: 'ignore' });
    await until('the connection is seen', 20_000, () => watch.seen() !== undefined);
    await once(refused, 'exit');
    assert.equal(watch.seen()?.code, 'E_LAB_OUTSIDE');
    assert.match(watch.seen()!.message, new RegExp(`^\\S+ \\(process \\d+\\) spoke to 127\\.110\\.2\\.9:${ports[1]}, which is not in the rehearsal’s plan`));
    assert.equal(allowed.exitCode, null);
    allowed.kill();
    await once(allowed, 'exit');
  });
});
