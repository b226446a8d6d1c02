import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, afterEach, before, test } from 'node:test';
import { connect } from 'node:tls';
import { createBoard } from '../../../lab/pi/board.ts';
import { createBoardParts } from '../../../lab/pi/parts.ts';
import type { Board, BoardParts } from '../../../lab/pi/types.ts';
import { toolPrograms } from '../../support/host.ts';
import { applied, bootedBoard, makeFiles, until, type Files } from './boards.ts';
import { memoryCards, partsWithoutKubernetes } from './memory-card.ts';
import { talosctl, type Answer } from './recordings.ts';

const CP = '127.79.0.11';
const WORKER = '127.79.0.12';

let files: Files;
const boards: Board[] = [];
const run = (...args: string[]): Promise<Answer> => talosctl(args, { cwd: files.folder, talosconfig: files.talosconfig });
const hanging = (...args: string[]): Promise<Answer> => talosctl(args, { cwd: files.folder, talosconfig: files.talosconfig, interruptMs: 800 });

async function succeeds(...args: string[]): Promise<void> {
  const answer = await run(...args);
  assert.equal(answer.exitCode, 0, `${args.join(' ')}: ${answer.stderr}`);
}

function realParts(name: string): BoardParts {
  const folder = join(files.folder, name);
  mkdirSync(folder, { recursive: true });
  return { ...createBoardParts(toolPrograms()), card: memoryCards(folder) };
}

async function board(address: string, parts: BoardParts): Promise<Board> {
  const one = await bootedBoard(address, parts, join(files.folder, 'boards'));
  boards.push(one);
  return one;
}

async function offAll(): Promise<void> {
  for (const one of boards.splice(0)) {
    await one.powerOff();
    assert.ok(one.closed);
  }
}

async function etcdService(state: RegExp): Promise<string> {
  let seen = '';
  await until(async () => state.test(seen = (await run('service', 'etcd', '-n', CP)).stdout), `service etcd ${state}`);
  return seen;
}

before(async () => { files = await makeFiles(CP, '127.79.0.13'); });
afterEach(offAll);
after(() => files.remove());

test('a board without a bootable card stays dark and says why', async () => {
  const parts = partsWithoutKubernetes(files.folder);
  const dark = createBoard({ mac: 'dc:a6:32:00:00:30', dhcpAddress: '127.79.0.30', parts, folder: join(files.folder, 'dark'), bootMs: 1 });
  await dark.powerOn();
  await until(() => dark.state() === 'no boot', 'no boot');
  assert.match(dark.console().join('\n'), /there is no card/);
  assert.equal(dark.address(), undefined);
  await dark.powerOff();
  assert.ok(dark.closed);
});

test('maintenance mode has a new certificate at every boot, and apply-config accepts its fingerprint', async () => {
  const one = await board(WORKER, partsWithoutKubernetes(files.folder));
  const look = (): Promise<{ name: string; key: Buffer; chain: number }> => new Promise((resolve, reject) => {
    const socket = connect({ host: WORKER, port: 50000, rejectUnauthorized: false, ALPNProtocols: ['h2'] }, () => {
      const certificate = socket.getPeerX509Certificate()!;
      resolve({ name: certificate.subject, key: certificate.publicKey.export({ type: 'spki', format: 'der' }), chain: 1 });
      socket.destroy();
    }).on('error', reject);
  });
  const { createHash } = await import('node:crypto');
  const first = await look();
  assert.equal(first.name, 'CN=maintenance-service.talos.dev');
  const print = createHash('sha256').update(first.key).digest('base64');
  await succeeds('apply-config', '--insecure', '--dry-run', '-n', WORKER, '-f', 'worker.yaml', '--cert-fingerprint', print);
  await one.powerOff();
  await one.powerOn();
  await until(() => one.state() === 'maintenance', 'maintenance again');
  assert.notDeepEqual((await look()).key, first.key);
  await offAll();
});

test('two boards cannot hold one address: the second says so and stays unreachable until the first is gone', async () => {
  const first = await board(WORKER, partsWithoutKubernetes(files.folder));
  const second = createBoard({ mac: 'dc:a6:32:00:00:31', dhcpAddress: WORKER, cardPath: 'second', parts: partsWithoutKubernetes(files.folder), folder: join(files.folder, 'second'), bootMs: 1 });
  boards.push(second);
  await second.powerOn();
  await until(() => second.console().some((line) => line.includes('another machine holds the address')), 'the conflict on the console');
  assert.equal(second.address(), undefined);
  await first.powerOff();
  await until(() => second.state() === 'maintenance', 'the second in maintenance');
  await offAll();
});

test('an old board that comes back with its config waits while a new one has its address, and starts nothing', async () => {
  const parts = realParts('return');
  const old = await board(CP, parts);
  await applied(old, 'controlplane.yaml', files);
  await old.powerOff();
  const fresh = createBoard({ mac: 'dc:a6:32:00:00:31', dhcpAddress: CP, cardPath: 'new-card', parts, folder: join(files.folder, 'boards', 'fresh'), bootMs: 20 });
  boards.push(fresh);
  await fresh.powerOn();
  await until(() => fresh.state() === 'maintenance', 'the new board in maintenance');
  await old.powerOn();
  await until(() => old.console().some((line) => line.includes(`another machine holds the address ${CP}`)), 'the old one finds its address taken');
  await applied(fresh, 'controlplane.yaml', files);
  await succeeds('bootstrap', '-n', CP);
  await etcdService(/HEALTH +OK/);
  assert.equal(old.address(), undefined);
  assert.ok(!old.console().some((line) => line.includes('service[etcd]')));
  await fresh.powerOff();
  await until(() => old.state() === 'booted', 'the old one has the address');
  await etcdService(/Preparing/);
});

test('a worker has no API before a control plane signs for it, nor with a wrong token', async () => {
  const parts = realParts('workers');
  const worker = await board(WORKER, parts);
  const token = /token: (.*)/.exec(readFileSync(join(files.folder, 'worker.yaml'), 'utf8'))![1]!;
  writeFileSync(join(files.folder, 'wrong-token.yaml'), readFileSync(join(files.folder, 'worker.yaml'), 'utf8').replace(token, 'aaaaaa.bbbbbbbbbbbbbbbb'));
  await succeeds('apply-config', '--insecure', '-n', WORKER, '-f', 'worker.yaml');
  await until(() => worker.console().some((line) => line.includes('trustd at')), 'the worker asks trustd');
  assert.match((await run('version', '-n', WORKER, '-e', WORKER)).stderr, /connection refused/);
  const cp = await board(CP, parts);
  await applied(cp, 'controlplane.yaml', files);
  await until(async () => (await run('version', '-n', WORKER)).exitCode === 0, 'the worker has its certificate');
  const liar = await board('127.79.0.14', parts);
  await succeeds('apply-config', '--insecure', '-n', '127.79.0.14', '-f', 'wrong-token.yaml');
  await until(() => liar.console().some((line) => line.includes('invalid token')), 'trustd refuses');
  assert.match((await run('version', '-n', '127.79.0.14', '-e', '127.79.0.14')).stderr, /connection refused/);
  await offAll();
});

test('a watch begun in maintenance mode hangs over apply-config; a try runs out', async () => {
  const cp = await board(CP, realParts('try'));
  const watch = spawn(toolPrograms().get('talosctl')!, ['get', 'machinestatus', '--watch', '--insecure', '-n', CP], { cwd: files.folder, stdio: ['ignore', 'pipe', 'pipe'] });
  let heard = '';
  watch.stdout.on('data', (data: Buffer) => { heard += data.toString(); });
  await until(() => heard.includes('maintenance'), 'the watch sees maintenance');
  await applied(cp, 'controlplane.yaml', files);
  assert.equal(watch.exitCode, null);
  assert.doesNotMatch(heard, /booting/);
  watch.kill('SIGKILL');
  await succeeds('apply-config', '-n', CP, '-f', 'controlplane-hostname.yaml', '--mode', 'try', '--timeout', '1s');
  const hostname = async (): Promise<string> => (await run('get', 'hostnamestatus', '-n', CP)).stdout;
  assert.match(await hostname(), /cp-one/);
  await until(async () => !/cp-one/.test(await hostname()), 'the try has run out');
  await offAll();
});

test('etcd: nothing before bootstrap, data over a power cut, gone with the card, back from a snapshot', async () => {
  const parts = realParts('etcd');
  const cp = await board(CP, parts);
  await applied(cp, 'controlplane.yaml', files);
  const iqn = (await run('read', '/etc/iscsi/initiatorname.iscsi', '-n', CP)).stdout;
  assert.match(iqn, /^InitiatorName=iqn\.2017-11\.dev\.talos:[0-9a-f]{32}\n$/);
  await etcdService(/Preparing/);
  assert.match((await hanging('etcd', 'members', '-n', CP)).stderr, /context canceled/);
  await succeeds('bootstrap', '-n', CP);
  // A second one right after the first is accepted.
  await succeeds('bootstrap', '-n', CP);
  await etcdService(/HEALTH +OK/);
  assert.match((await run('bootstrap', '-n', CP)).stderr, /AlreadyExists desc = etcd data directory is not empty/);
  const members = (await run('etcd', 'members', '-n', CP)).stdout;
  await succeeds('etcd', 'snapshot', 'good.snapshot', '-n', CP);

  await cp.powerOff();
  await cp.powerOn();
  await until(async () => (await run('version', '-n', CP)).exitCode === 0, 'the API after a power cut');
  await etcdService(/HEALTH +OK/);
  assert.equal((await run('etcd', 'members', '-n', CP)).stdout, members);
  assert.equal((await run('read', '/etc/iscsi/initiatorname.iscsi', '-n', CP)).stdout, iqn);

  await cp.powerOff();
  cp.insertCard('another-card');
  await cp.powerOn();
  await until(() => cp.state() === 'maintenance', 'a blank card in maintenance');
  await applied(cp, 'controlplane.yaml', files);
  assert.notEqual((await run('read', '/etc/iscsi/initiatorname.iscsi', '-n', CP)).stdout, iqn);
  await succeeds('bootstrap', '--recover-from=good.snapshot', '-n', CP);
  await etcdService(/HEALTH +OK/);

  // Cut off, it lives on and nobody reaches it; back again, all of it answers.
  await cp.cutOff();
  assert.match((await run('version', '-n', CP)).stderr, /connection refused/);
  await cp.rejoin();
  await succeeds('version', '-n', CP);
  await succeeds('etcd', 'members', '-n', CP);

  // A raw copy of the database has no digest: only without looking for one is it restored.
  mkdirSync(join(files.folder, 'copy'));
  await succeeds('cp', '/var/lib/etcd/member/snap/db', 'copy', '-n', CP);
  assert.match((await run('cp', '/var/lib/etcd/nothing', 'copy', '-n', CP)).stderr, /no such file or directory/);
  await cp.powerOff();
  cp.insertCard('third-card');
  await cp.powerOn();
  await until(() => cp.state() === 'maintenance', 'a third card in maintenance');
  await applied(cp, 'controlplane.yaml', files);
  await succeeds('bootstrap', '--recover-from=copy/db', '--recover-skip-hash-check', '-n', CP);
  await etcdService(/HEALTH +OK/);
  await offAll();
});

test('a corrupt snapshot is accepted, etcd fails, and only a reset helps', async () => {
  const snapshot = readFileSync(join(files.folder, 'good.snapshot'));
  snapshot[Math.floor(snapshot.length / 2)]! ^= 0xff;
  writeFileSync(join(files.folder, 'corrupt.snapshot'), snapshot);
  const cp = await board(CP, realParts('corrupt'));
  await applied(cp, 'controlplane.yaml', files);
  await etcdService(/Preparing/);
  await succeeds('bootstrap', '--recover-from=corrupt.snapshot', '-n', CP);
  assert.match(await etcdService(/STATE +Failed/), /\[Failed\]: Failed to run pre stage: error recovering from the snapshot: expected sha256 \[/);
  assert.match((await run('bootstrap', '-n', CP)).stderr, /AlreadyExists desc = etcd data directory is not empty/);
  const reset = await run('reset', '--graceful=false', '--reboot', '--system-labels-to-wipe', 'STATE', '--system-labels-to-wipe', 'EPHEMERAL', '--wait=false', '-n', CP);
  assert.equal(reset.exitCode, 0);
  await until(() => cp.state() === 'maintenance', 'maintenance after the reset');
  await applied(cp, 'controlplane.yaml', files);
  await etcdService(/Preparing/);
  await offAll();
});

test('a reboot brings a new boot id and the same machine; a reset of all leaves no bootable card', async () => {
  const cp = await board(CP, realParts('reboot'));
  await applied(cp, 'controlplane.yaml', files);
  const bootId = (): Promise<Answer> => run('read', '/proc/sys/kernel/random/boot_id', '-n', CP);
  const first = (await bootId()).stdout;
  await succeeds('reboot', '--wait=false', '-n', CP);
  await until(async () => { const now = await bootId(); return now.exitCode === 0 && now.stdout !== first; }, 'another boot id');
  await succeeds('reset', '--graceful=false', '--reboot', '--wait=false', '-n', CP);
  await until(() => cp.state() === 'no boot', 'a card without an image');
  await offAll();
});
