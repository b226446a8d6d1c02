import assert from 'node:assert/strict';
import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { askToOverwrite, nodesWithCard } from '../../bootstrap/cards.ts';
import { chooseCard } from '../../bootstrap/choose-card.ts';
import type { Facts } from '../../bootstrap/facts.ts';
import type { Host, Question } from '../../lib/host.ts';
import { updateLock } from '../../lib/lock-file.ts';
import { createBlankCard } from '../../lab/pi/card.ts';
import type { ClusterNode } from '../../nodes/cluster.ts';
import type { Image } from '../../talos/image.ts';
import { testHost } from '../support/host.ts';

const node: ClusterNode = { name: 'w-1', role: 'worker', mac: 'dc:a6:32:00:00:21', address: '127.1.2.21', proof: 'stamp', labels: {} };
const card = { path: '/dev/sdz', type: 'disk', size: 63_864_569_856, ro: false, rm: true, hotplug: true, tran: 'usb', subsystems: 'block:scsi:usb:pci', model: 'STORAGE DEVICE', serial: '0x1b2c', mountpoints: [null] };
const system = { path: '/dev/nvme0n1', type: 'disk', size: 512e9, ro: false, rm: false, tran: 'nvme', mountpoints: ['/'] };

/** A host whose lsblk (an executable on PATH) shows these disks and whose person gives these answers. */
function desk(disks: readonly object[], answers: readonly string[]) {
  const base = testHost();
  const path = join(base.scratch, 'lsblk');
  writeFileSync(path, `#!/bin/sh\ncat <<'EOF'\n${JSON.stringify({ blockdevices: disks })}\nEOF\n`);
  chmodSync(path, 0o755);
  base.environment['PATH'] = `${base.scratch}:${base.environment['PATH']}`;
  const asked: Question[] = [];
  const left = [...answers];
  const host: Host = { ...base, ask: async (question) => { asked.push(question); return left.shift() ?? ''; } };
  return { host, asked, base };
}

test('a card that is named is asked for only where it is not in its reader', async () => {
  const { host, asked, base } = desk([], ['']);
  const device = join(base.scratch, 'card.img');
  assert.deepEqual(await chooseCard(host, { ...node, card: { device, serial: 's' } }), { device, serial: 's' });
  assert.deepEqual(asked.map((question) => question.code), ['card.ready']);
  await createBlankCard(device, 8e9);
  assert.deepEqual(await chooseCard(host, { ...node, card: { device } }), { device });
  assert.equal(asked.length, 1);
  base.remove();
});

test('a card in no reader is to be written before the cluster’s first life, and never after it', async () => {
  const { host, base } = desk([], []);
  const facts = { cluster: { name: 'gandalf' }, lockFile: join(base.scratch, 'firstlight.lock.yaml'), nonces: new Map(), rebuilt: new Map() } as unknown as Facts;
  assert.deepEqual([...await nodesWithCard(facts, host, [node], {} as Image)], []);
  await updateLock(facts.lockFile, { etcd: { node: 'cp-1' } });
  assert.deepEqual([...await nodesWithCard(facts, host, [node], {} as Image)], []);
  await updateLock(facts.lockFile, { etcd: { node: 'cp-1', finished: true } });
  assert.deepEqual([...await nodesWithCard(facts, host, [node], {} as Image)], ['w-1']);
  base.remove();
});

const second = { ...card, path: '/dev/sdy', serial: '0x2c3d' };

test('otherwise one disk that may be a card is proposed, of several the person chooses; no other disk is offered', async () => {
  for (const [disks, answer, code] of [[[system, card], 'yes', 'card.propose'], [[system, second, card], '/dev/sdz', 'card.choose']] as const) {
    const { host, asked, base } = desk(disks, ['', answer]);
    assert.deepEqual(await chooseCard(host, node), { device: '/dev/sdz', serial: '0x1b2c' });
    assert.deepEqual(asked.map((question) => question.code), ['card.ready', code]);
    assert.match(asked[1]!.text, /\/dev\/sdz {2}63\.9 GB {2}STORAGE DEVICE {2}0x1b2c/);
    assert.doesNotMatch(asked[1]!.text, /nvme/);
    assert.ok(asked.every((question) => question.fallback === undefined), 'nothing is overwritten by a default answer');
    base.remove();
  }
});

test('an answer that names no candidate, and a desk without a card, are refused', async () => {
  for (const [disks, answer] of [[[system, card], '/dev/nvme0n1'], [[system, card], ''], [[system, card], 'no'], [[system, card, second], 'yes'], [[system, card, second], '']] as const) {
    const other = desk(disks, ['', answer]);
    await assert.rejects(chooseCard(other.host, node), { code: 'E_CARD_UNCHOSEN', where: { node: 'w-1' } });
    other.base.remove();
  }
  const none = desk([system], ['']);
  await assert.rejects(chooseCard(none.host, node), { code: 'E_CARD_MISSING', where: { node: 'w-1' } });
  none.base.remove();
});

test('a card with something on it is overwritten only by the node’s name', async () => {
  const facts = { cluster: { name: 'gandalf' } } as Facts;
  for (const [answers, kept] of [[['w-1'], false], [['yes'], true]] as const) {
    const { host, asked, base } = desk([], answers);
    const path = join(base.scratch, 'card.img');
    await createBlankCard(path, 8e9);
    await askToOverwrite(facts, host, node, path);
    assert.equal(asked.length, 0, 'a blank card needs no question');
    writeFileSync(path, 'a person’s photographs', { flag: 'r+' });
    const work = askToOverwrite(facts, host, node, path);
    if (kept) await assert.rejects(work, { code: 'E_CARD_KEPT', where: { node: 'w-1' } });
    else await work;
    assert.equal(asked.length, 1);
    base.remove();
  }
});

test('a card named by its serial alone is found without a question; two of one serial, and none, are refused', async () => {
  const named: ClusterNode = { ...node, card: { serial: '0x1B2C' } };
  const one = desk([system, card], []);
  assert.deepEqual(await chooseCard(one.host, named), { device: '/dev/sdz', serial: '0x1B2C' });
  assert.equal(one.asked.length, 0);
  one.base.remove();
  const two = desk([card, { ...card, path: '/dev/sdy' }], []);
  await assert.rejects(chooseCard(two.host, named), { code: 'E_CARD_UNCHOSEN', where: { node: 'w-1' } });
  two.base.remove();
  const none = desk([system, { ...card, serial: 'other' }], ['']);
  await assert.rejects(chooseCard(none.host, named), { code: 'E_CARD_MISSING', where: { node: 'w-1' } });
  assert.deepEqual(none.asked.map((question) => question.code), ['card.ready']);
  none.base.remove();
});
