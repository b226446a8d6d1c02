import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, symlinkSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { networkNamespace, whyNoNamespace } from '../../scripts/namespace.ts';
import { testHost } from '../support/host.ts';
import { placeProgram } from '../support/tool-world.ts';

// A network namespace in which an inventory's real addresses are the rehearsal's own, and nothing of the machine's network can be reached.

const probe = fileURLToPath(new URL('../support/namespace-probe.ts', import.meta.url));
const host = testHost();
after(() => host.remove());
const allowed = spawnSync('unshare', ['--user', '--map-root-user', '--net', '--mount', '/bin/sh', '-c', 'ip link set lo up && mount --bind /etc/hosts /etc/hosts']).status === 0;

type Answer = { readonly before?: string[]; readonly furnished?: string[]; readonly own?: string[]; readonly unknown?: string; readonly error?: string; readonly message?: string };

async function inside(way: readonly string[], asked: object): Promise<Answer> {
  const { stdout } = await host.run({ program: way[0]!, args: [...way.slice(1), process.execPath, probe, JSON.stringify({ left: networkNamespace(), routes: [], names: {}, outside: [], own: [], ...asked })] });
  return JSON.parse(stdout) as Answer;
}

test('from inside nothing of the machine is reached, at the very addresses that answer there', { skip: !allowed && 'this system allows no namespaces' }, async () => {
  const server = createServer((socket) => void socket.on('error', () => {}).end('the machine')).listen(0);
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  // The addresses of this machine's own interfaces stand for the real boards: they do answer, outside.
  const real = [...new Set(Object.values(networkInterfaces()).flatMap((each) => (each ?? []).filter(({ family, internal }) => family === 'IPv4' && !internal).map(({ address }) => address)))];
  const outside = ['127.0.0.1', ...real].map((address): [string, number] => [address, port]);
  try {
    const without = await inside(['env'], { outside });
    assert.equal(without.error, 'E_LAB_OUTSIDE');
    assert.match(without.message ?? '', /it is the network of the machine itself/);

    const unshare = ['unshare', '--user', '--map-root-user', '--net', '--mount'];
    const within = await inside(unshare, {
      outside, routes: ['192.168.77.0/24', '9.9.9.9/32', ...real.map((address) => `${address}/32`)], names: { 'git.example': ['192.168.77.250'] },
      own: [['192.168.77.11', 50_000], ['192.168.77.2', 22], ['9.9.9.9', 53], ['git.example', 443], ...real.map((address): [string, number] => [address, port])],
    });
    assert.equal(within.error, undefined, within.message);
    assert.ok(within.before!.every((answer) => answer === 'ENETUNREACH'), String(within.before));
    assert.ok(within.furnished!.every((answer) => answer === 'ECONNREFUSED'), String(within.furnished));
    assert.deepEqual(within.own, [...Array<string>(4 + real.length)].map(() => 'own 127.0.0.1'));
    assert.match(within.unknown ?? '', /^E(NOTFOUND|AI_AGAIN)$/);
  } finally {
    server.close();
  }
});

test('a namespace out of which a way leads is refused before anything is laid', { skip: !allowed && 'this system allows no namespaces' }, async () => {
  const leaking = ['unshare', '--user', '--map-root-user', '--net', '--mount', '/bin/sh', '-c', 'ip link add way type bridge && ip link set way up && exec "$@"', 'sh'];
  const answer = await inside(leaking, { routes: ['192.168.77.0/24'] });
  assert.equal(answer.error, 'E_LAB_OUTSIDE');
  assert.match(answer.message ?? '', /its interface way is up/);
});

test('where namespaces are refused, or a program for them is not there, it is said why', async () => {
  const folder = join(host.scratch, 'bin');
  placeProgram(folder, 'unshare', '#!/bin/sh\necho "unshare: unshare failed: Operation not permitted" >&2\nexit 1\n');
  const refusing = testHost({ PATH: folder });
  assert.equal(await whyNoNamespace(refusing), 'unshare: unshare failed: Operation not permitted');
  const bare = join(host.scratch, 'bare');
  mkdirSync(bare);
  const nothing = testHost({ PATH: bare });
  assert.equal(await whyNoNamespace(nothing), 'unshare is not there');
  if (allowed) {
    symlinkSync(execFileSync('/bin/sh', ['-c', 'command -v unshare'], { encoding: 'utf8' }).trim(), join(bare, 'unshare'));
    assert.match(await whyNoNamespace(nothing) ?? '', /ip: .*not found/);
    assert.equal(await whyNoNamespace(host), undefined);
  }
  for (const each of [refusing, nothing]) each.remove();
});
