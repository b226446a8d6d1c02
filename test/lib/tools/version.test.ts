import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { ManyErrors } from '../../../lib/errors.ts';
import { digestIn } from '../../../lib/tools/digest.ts';
import { readPins } from '../../../lib/tools/pins.ts';
import { createSlots } from '../../../lib/tools/slots.ts';
import { compareVersions, findVersion, isCompatible } from '../../../lib/tools/version.ts';
import { testHost } from '../../support/host.ts';

test('versions are read from what real programs say', () => {
  const said = ['Client:\n\tTag:         v1.11.0\n\tGo version:  go1.26.8', 'flux version 2.9.5', 'Client Version: v1.32.4-dispatcher\nKustomize Version: v5.5.0', 'etcd Version: 3.7.3\nGo Version: go1.26.8', 'nothing'];
  assert.deepEqual(said.map((text) => findVersion(text)?.numbers.join('.')), ['1.11.0', '2.9.5', '1.32.4', '3.7.3', undefined]);
});

test('early versions come before the one they lead to', () => {
  const [rc, full] = [findVersion('1.2.0-rc.1')!, findVersion('1.2.0')!];
  assert.ok(compareVersions(rc, full) < 0);
  assert.equal(isCompatible(rc, { from: '1.2.0', below: '1.3.0' }), false);
  assert.equal(isCompatible(rc, { from: '1.1.0', below: '1.2.0' }), false);
  assert.equal(isCompatible(full, { from: '1.2.0', below: '1.3.0' }), true);
  assert.equal(isCompatible(findVersion('1.10.0')!, { from: '1.9.0', below: '2.0.0' }), true);
});

test('checksums files are read in their usual shapes', () => {
  const [a, b] = ['a'.repeat(64), 'b'.repeat(64)];
  assert.equal(digestIn(`${a}  x.tar.gz\n${b} *y\n`, 'y'), b);
  assert.equal(digestIn(`${a.toUpperCase()}\n`, 'anything'), a);
  assert.equal(digestIn(`${a}  ./dist/y\n`, 'y'), a);
  assert.equal(digestIn(`${a}  yy\n`, 'y'), undefined);
  assert.equal(digestIn('<html>', 'y'), undefined);
});

test('the lock file pins every tool a rehearsal runs', async () => {
  const pins = await readPins(join(import.meta.dirname, '..', '..', '..', 'tools.lock.yaml'));
  assert.deepEqual(pins.flatMap((pin) => pin.binaries).sort(), ['age', 'age-keygen', 'etcd', 'etcdctl', 'etcdutl', 'flux', 'helm-controller', 'kube-apiserver', 'kube-controller-manager', 'kube-scheduler', 'kubectl', 'kustomize-controller', 'sops', 'talosctl']);
});

test('mistakes in the lock file are told together, each at its place', async (t) => {
  const host = testHost();
  t.after(() => host.remove());
  const file = join(host.scratch, 'tools.lock.yaml');
  writeFileSync(file, 'tools:\n  a:\n    version: one\n    binaries: [a]\n    build: { module: a, packages: { a: x }, memoryMiB: 1, cpuSeconds: 1 }\n  b:\n    version: 1.0.0\n    binaries: []\n    surplus: 1\n');
  await assert.rejects(readPins(file), (error) => error instanceof ManyErrors && error.problems.length >= 3
    && error.problems.every((each) => each.code === 'E_TOOLS_LOCK' && each.where.file === file && (each.where.line ?? 0) > 1));
});

test('slots hold back what does not fit, and let one too large run alone', async () => {
  const slots = createSlots(2, 100);
  const order: string[] = [];
  const gate = Promise.withResolvers<void>();
  const works = [
    slots(60, async () => { order.push('a'); await gate.promise; order.push('a done'); }),
    slots(60, async () => void order.push('b')),
    slots(500, async () => void order.push('c')),
  ];
  gate.resolve();
  await Promise.all(works);
  assert.deepEqual(order, ['a', 'a done', 'b', 'c']);
});
