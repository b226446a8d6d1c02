import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { cardsHolding } from '../../../../nodes/cards/compare.ts';
import { inspectCard } from '../../../../nodes/cards/inspect.ts';
import { writeCards } from '../../../../nodes/cards/write.ts';
import { argvSampler, until } from '../../../support/processes.ts';
import { cardFile, expected, noise, smallImage, start } from '../support.ts';
import { NO_PYTHON, workbench, type Workbench } from './support.ts';

const MIB = 1024 * 1024;
const KEYS = new Map([[0x0c, 'stamp']]);

let bench: Workbench;
beforeEach(async () => { bench = await workbench('127.100.19.1'); });
afterEach(() => bench.close());

test('two cards of another machine hold the image to the byte; zeros are not sent, nothing is read back over the network, nothing stays there', { skip: NO_PYTHON }, async () => {
  const { host, machine } = bench;
  const image = smallImage(host.scratch, 'image', 100);
  const old = Buffer.alloc(60 * MIB, 0x5a);
  const targets = ['cp-1', 'w-1'].map((node, index) => ({ node, device: cardFile(host.scratch, node, index ? old : undefined), meta: new Map([[0x0c, `stamp of ${node}`]]) }));
  const argv = argvSampler();
  await bench.at(async () => {});
  const lines = argv.stop();
  await bench.at((desk) => writeCards(host, { image, targets, desk }));
  for (const { device, meta } of targets) assert.ok((await start(device, image.raw.length)).equals(expected(image, meta)), device);
  assert.ok(machine.received() < 45 * MIB, `${machine.received()} bytes were sent`);
  assert.ok(statSync(targets[0]?.device ?? '').blocks * 512 < 60 * MIB, 'a sparse card stays sparse');
  const phases = host.events.filter((event) => event.code === 'card.progress' && event.node === 'w-1').map((event) => event.data?.['phase']);
  assert.deepEqual([...new Set(phases)], ['write', 'verify']);
  await until('the agents ended', 5_000, () => machine.running() === 0);
  assert.ok(machine.commands.every((command) => /^python3 -IS -c "import sys;exec\(sys\.stdin\.buffer\.read\(\d+\)\)" 60$/.test(command)), machine.commands.join('\n'));
  const secret = bench.key.private.split('\n')[2] ?? '';
  assert.ok(secret.length > 30 && lines.every((line) => !line.includes(secret.slice(0, 20))), 'the key stands in a command line');
});

test('what is on a card there is told, and whether it holds the image, by digests made there', { skip: NO_PYTHON }, async () => {
  const { host, machine } = bench;
  const image = smallImage(host.scratch, 'image', 32);
  const device = cardFile(host.scratch, 'card');
  await bench.at(async (desk) => {
    assert.equal((await inspectCard(device, desk)).kind, 'blank');
    assert.equal((await inspectCard(`${device}.none`, desk)).kind, 'missing');
    await assert.rejects(inspectCard('/dev/null', desk), { code: 'E_CARD_KIND', message: /of pi@127\.100\.19\.1:\d+ is neither/ });
    await writeCards(host, { image, targets: [{ node: 'cp-1', device, meta: KEYS }], desk });
    const before = machine.received();
    assert.deepEqual([...await cardsHolding(host, [device], image, desk)], [device]);
    assert.ok(machine.received() - before < 100_000);
    const card = await inspectCard(device, desk);
    assert.equal(card.kind === 'talos' && card.meta.get(0x0c), 'stamp');
    writeFileSync(join(host.scratch, 'byte'), 'x');
    execFileSync('dd', [`if=${join(host.scratch, 'byte')}`, `of=${device}`, 'bs=1', `seek=${25 * MIB}`, 'conv=notrunc', 'status=none']);
    assert.equal((await cardsHolding(host, [device], image, desk)).size, 0);
  });
});

test('cards in readers there are judged and proven by the same rules, by the lsblk of that machine', { skip: NO_PYTHON }, async (t) => {
  const { host } = bench;
  const image = smallImage(host.scratch, 'image');
  const backing = cardFile(host.scratch, 'backing', noise('photos'));
  const made = spawnSync('losetup', ['--find', '--show', backing], { encoding: 'utf8' });
  if (made.status !== 0) return t.skip('no loop devices here');
  const device = made.stdout.trim();
  const target = { node: 'cp-1', device, meta: KEYS };
  try {
    const row = { path: device, type: 'loop', size: 8e9, ro: false, mountpoints: [null] };
    for (const [change, code] of [[{ mountpoints: ['/media/photos'] }, 'E_CARD_BUSY'], [{ mountpoints: ['/'] }, 'E_CARD_SYSTEM'], [{ ro: true }, 'E_CARD_READ_ONLY'], [{ type: 'part' }, 'E_CARD_KIND']] as const) {
      bench.program('lsblk', `cat <<'EOF'\n${JSON.stringify({ blockdevices: [{ ...row, ...change }] })}\nEOF`);
      await assert.rejects(bench.at((desk) => writeCards(host, { image, targets: [target], desk })), { code, where: { node: 'cp-1' } });
    }
    bench.program('lsblk', 'exec /bin/lsblk "$@"');
    await assert.rejects(bench.at((desk) => writeCards(host, { image, targets: [{ ...target, serial: '0x1234' }], desk })), { code: 'E_CARD_SERIAL' });
    assert.ok((await start(device, MIB)).equals(noise('photos')), 'a refused card was written');
    await bench.at(async (desk) => {
      const alone = await desk.open(device, { write: true, exclusive: true });
      await assert.rejects(writeCards(host, { image, targets: [target], desk }), { code: 'E_CARD_BUSY', message: /of pi@/ });
      await alone.close();
      await writeCards(host, { image, targets: [target], desk });
    });
    writeFileSync(join(host.scratch, 'raw'), expected(image, KEYS));
    execFileSync('cmp', [`--bytes=${image.raw.length}`, join(host.scratch, 'raw'), device]);
  } finally {
    execFileSync('losetup', ['--detach', device]);
  }
});
