import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { closeSync, mkdirSync, openSync, statSync, truncateSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { parseGpt } from '../../../../lib/gpt.ts';
import type { RunEvent } from '../../../../lib/host.ts';
import { newSshKey } from '../../../../lib/ssh-key.ts';
import { withKeyAgent } from '../../../../gitops/agent.ts';
import { openDevice } from '../../../../nodes/cards/device.ts';
import { inspectCard } from '../../../../nodes/cards/inspect.ts';
import { withReader } from '../../../../nodes/cards/remote/reader.ts';
import { writeCards } from '../../../../nodes/cards/write.ts';
import { until } from '../../../support/processes.ts';
import { cardFile, expected, noise, smallImage, start } from '../support.ts';
import { NO_PYTHON, workbench, type Workbench } from './support.ts';

const MIB = 1024 * 1024;
const KEYS = new Map([[0x0c, 'stamp']]);
const ROOT = process.getuid?.() === 0;

let bench: Workbench;
beforeEach(async () => { bench = await workbench('127.100.18.2'); });
afterEach(() => bench.close());

test('a machine with another host key is not spoken to, and one that refuses, hangs up or is not there is told', { skip: NO_PYTHON }, async () => {
  const { host, reader, machine } = bench;
  const other = newSshKey().private;
  const work = async (): Promise<never> => { throw new Error('nothing may happen'); };
  const go = (change: object) => withReader(host, { ...reader, ...change }, async () => other, work);
  await assert.rejects(go({ hostKey: `SHA256:${'A'.repeat(43)}` }), { code: 'E_SSH_HOST_KEY' });
  await assert.rejects(go({}), (error: Error & { code: string; hint: string }) => error.code === 'E_READER_LOGIN' && /readerKey/.test(error.hint) && !`${error.message}${error.hint}`.includes('PRIVATE'));
  await assert.rejects(withReader(host, reader, async () => undefined, work), { code: 'E_READER_LOGIN', message: /no SSH agent is running/ });
  await assert.rejects(withReader({ ...host, sshAgent: join(host.scratch, 'no-agent') }, reader, async () => undefined, work), { code: 'E_READER_LOGIN', message: /no key of the SSH agent/ });
  await machine.fail('refuse');
  await assert.rejects(go({}), { code: 'E_SSH_REFUSED' });
  assert.deepEqual(machine.commands, []);
});

test('the keys of the owner’s SSH agent come first: no credentials are opened then', { skip: NO_PYTHON }, async () => {
  const { host, key, reader } = bench;
  const closed = async (): Promise<never> => { throw new Error('the credentials were opened'); };
  await withKeyAgent(host, key.private, (sshAgent) => withReader({ ...host, sshAgent }, reader, closed, async (desk) => {
    assert.equal(desk.name, `pi@127.100.18.2:${reader.port}`);
  }));
  const stranger = newSshKey().private;
  await withKeyAgent(host, stranger, (sshAgent) => withReader({ ...host, sshAgent }, reader, async () => key.private, async () => {}));
});

test('a machine without python3, with one too old, with another system, or with a shell that says other things is told as that', { skip: NO_PYTHON }, async () => {
  const nothing = async (): Promise<void> => {};
  const cases = [
    ['echo "sh: python3: not found" >&2; exit 127', 'E_READER_PYTHON'],
    ['echo "This account is not available."; exit 1', 'E_READER_START'],
    ['exit 0', 'E_READER_START'],
    [`exec /usr/bin/python3 -c 'import struct,sys; h=b"{\\"system\\":\\"linux\\",\\"uid\\":0,\\"python\\":[3,5]}"; sys.stdout.buffer.write(b"\\n<firstlight-card-agent>\\n"+struct.pack(">IIII",0,0,0,len(h))+h); sys.stdout.flush(); sys.stdin.read()'`, 'E_READER_PYTHON'],
    [`exec /usr/bin/python3 -c 'import struct,sys; h=b"{\\"system\\":\\"darwin\\",\\"uid\\":0,\\"python\\":[3,9]}"; sys.stdout.buffer.write(b"\\n<firstlight-card-agent>\\n"+struct.pack(">IIII",0,0,0,len(h))+h); sys.stdout.flush(); sys.stdin.read()'`, 'E_READER_SYSTEM'],
  ] as const;
  for (const [script, code] of cases) {
    bench.program('python3', script);
    await assert.rejects(bench.at(nothing), { code }, script);
  }
  bench.program('python3', 'echo "Welcome to the workbench!"; exec /usr/bin/python3 "$@"');
  await bench.at(nothing);
});

test('a card that the user may not open is opened by sudo, without a password or not at all', { skip: NO_PYTHON || (!ROOT && 'needs root, to be somebody else') }, async () => {
  const { host, machine } = bench;
  const image = smallImage(host.scratch, 'image', 18);
  const device = cardFile(host.scratch, 'card', noise('photos'));
  bench.program('python3', 'exec setpriv --reuid=65534 --clear-groups /usr/bin/python3 "$@"');
  execFileSync('chmod', ['755', host.scratch]);
  execFileSync('chmod', ['600', device]);
  const write = () => bench.at((desk) => writeCards(host, { image, targets: [{ node: 'cp-1', device, meta: KEYS }], desk }));
  bench.program('sudo', 'echo "sudo: a password is required" >&2; exit 1');
  await assert.rejects(write(), { code: 'E_READER_ROOT', where: { node: 'cp-1' } });
  bench.program('sudo', 'exit 127');
  await assert.rejects(write(), { code: 'E_READER_ROOT' });
  assert.ok((await start(device, MIB)).equals(noise('photos')));
  bench.program('sudo', '[ "$1" = -n ] || exit 9\nshift 2\nexec /usr/bin/python3 "$@"');
  await write();
  assert.ok((await start(device, image.raw.length)).equals(expected(image, KEYS)));
  assert.ok(machine.commands.every((command) => /^(sudo -n )?python3 -IS -c /.test(command)));
  const before = machine.commands.length;
  const looked = await bench.at((desk) => Promise.all([device, device, device].map((path) => inspectCard(path, desk))));
  assert.deepEqual(looked.map((one) => one.kind), ['talos', 'talos', 'talos']);
  assert.equal(machine.commands.length - before, 2, 'one as the user, one as root, however many ask');
});

test('what fails on a card there has the code it has here: full, failing, swapped, changed behind our back', { skip: NO_PYTHON }, async (t) => {
  const { host } = bench;
  const image = smallImage(host.scratch, 'image');
  const target = (device: string) => ({ node: 'cp-1', device, meta: KEYS });
  const changed = cardFile(host.scratch, 'changed');
  let now = 0;
  const emit: typeof host.emit = (event) => {
    if (event.code !== 'card.progress' || event.data?.['phase'] !== 'verify') return;
    const file = openSync(changed, 'r+');
    writeSync(file, Buffer.from('x'), 0, 1, 27 * MIB);
    closeSync(file);
  };
  const watching = { ...host, emit, clock: { ...host.clock, now: () => (now += 1_000) } };
  await assert.rejects(bench.at((desk) => writeCards(watching, { image, targets: [target(changed)], desk })), { code: 'E_CARD_VERIFY', where: { node: 'cp-1' } });
  assert.notEqual((await inspectCard(changed)).kind, 'talos');

  const folder = join(host.scratch, 'small');
  mkdirSync(folder);
  if (spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=4m', 'none', folder]).status !== 0) return t.diagnostic('may not mount here: the rest was left out');
  const loops: string[] = [];
  const attach = (file: string): string => {
    const made = spawnSync('losetup', ['--find', '--show', file], { encoding: 'utf8' }).stdout.trim();
    if (made !== '') loops.push(made);
    return made;
  };
  try {
    const full = cardFile(folder, 'card');
    await assert.rejects(bench.at((desk) => writeCards(host, { image, targets: [target(full)], desk })), { code: 'E_CARD_SMALL', where: { node: 'cp-1' } });
    assert.notEqual((await inspectCard(full)).kind, 'talos');
    // A loop device answers EIO where its file has become shorter, as a dying card does.
    const backing = cardFile(host.scratch, 'backing');
    const failing = attach(backing);
    if (failing === '') return t.diagnostic('no loop devices here: the rest was left out');
    const dying = { ...watching, emit: (event: RunEvent) => { if (event.data?.['phase'] === 'verify') truncateSync(backing, 2 * MIB); } };
    await assert.rejects(bench.at((desk) => writeCards(dying, { image, targets: [target(failing)], desk })), { code: 'E_CARD_FAILED', message: /of pi@/ });
    assert.equal(parseGpt(await start(backing, MIB)), undefined);
    const card = attach(cardFile(host.scratch, 'card'));
    const photos = cardFile(host.scratch, 'photos', noise('photos'));
    await assert.rejects(bench.at((desk) => writeCards(host, { image, targets: [target(card)], desk }, async (identity) => {
      execFileSync('losetup', ['--detach', card]);
      execFileSync('losetup', [card, photos]);
      return openDevice(identity, desk);
    })), { code: 'E_CARD_SWAPPED', where: { node: 'cp-1' } });
    assert.ok((await start(card, MIB)).equals(noise('photos')));
  } finally {
    for (const loop of loops) execFileSync('losetup', ['--detach', loop]);
    await until('the small file system is free', 5_000, () => spawnSync('umount', [folder]).status === 0);
  }
});

test('an abort ends the writing here and there, and leaves no table', { skip: NO_PYTHON }, async () => {
  const { host, machine } = bench;
  const image = smallImage(host.scratch, 'image', 18);
  const device = cardFile(host.scratch, 'card', smallImage(host.scratch, 'old', 18).raw);
  const emit: typeof host.emit = (event) => { if (event.code === 'card.progress') host.abort.abort(); };
  await assert.rejects(withReader({ ...host, emit }, bench.reader, async () => bench.key.private, (desk) => (
    writeCards({ ...host, emit }, { image, targets: [{ node: 'cp-1', device, meta: KEYS }], desk }))), { name: 'AbortError' });
  await until('the agents ended', 5_000, () => machine.running() === 0);
  assert.equal((await inspectCard(device)).kind, 'blank');
});

test('nothing but the few programs that cards need is run there', { skip: NO_PYTHON }, async () => {
  const marker = join(bench.host.scratch, 'marker');
  await bench.at(async (desk) => {
    await assert.rejects(desk.run!({ program: 'touch', args: [marker] }), { code: 'E_NO_PROGRAM' });
    assert.equal((await desk.run!({ program: 'lsblk', args: ['--version'] })).exitCode, 0);
    await assert.rejects(desk.run!({ program: 'lsblk', args: ['--nonsense'] }), { code: 'E_PROGRAM' });
  });
  assert.equal(statSync(marker, { throwIfNoEntry: false }), undefined);
});
