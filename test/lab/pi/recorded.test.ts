import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { createBoardParts } from '../../../lab/pi/parts.ts';
import type { Board } from '../../../lab/pi/types.ts';
import { toolPrograms } from '../../support/host.ts';
import { applied, bootedBoard, makeFiles, until, type Files } from './boards.ts';
import { memoryCards, partsWithoutKubernetes } from './memory-card.ts';
import { NOT_IMITATED, SHAPE_ONLY } from './not-imitated.ts';
import { comparable, comparableShape, normal, recordings, talosctl, type Answer, type Recording } from './recordings.ts';

const CP = '127.78.0.11';
const WORKER = '127.78.0.12';
const NEW = '127.78.0.21';

let files: Files;
const boards: Board[] = [];

async function answer(recording: Recording): Promise<Answer> {
  const args = recording.command.map((word) => word.replaceAll('10.77.', '127.78.').replace(/^eth0$/, 'end0').replace(/^vda$/, 'mmcblk0'));
  const interrupted = recording.note?.includes('interrupted') ?? false;
  const talosconfig = recording.env?.['TALOSCONFIG'] ?? 'talosconfig';
  return talosctl(args, { cwd: files.folder, talosconfig: join(files.folder, talosconfig), ...(interrupted ? { interruptMs: 1_200 } : {}) });
}

function agree(recording: Recording, got: Answer): void {
  const reason = SHAPE_ONLY.find(([pattern]) => pattern.test(recording.name));
  const sorted = (one: Answer | Recording): Answer | Recording => (recording.name.startsWith('two nodes') ? { ...one, stdout: (one.stdout ?? '').split('\n').map(normal).toSorted().join('\n') } : one);
  if (!reason) return assert.deepEqual(comparable(sorted(got)), comparable(sorted(recording)));
  if (recording.command.includes('apply-config')) {
    const head = (one: Answer | Recording): unknown => [one.exitCode, one.stdout, one.stderr?.split('\n').slice(0, 6)];
    return assert.deepEqual(head(got), head(recording));
  }
  const [ours, real] = [comparableShape(got), comparableShape(recording)];
  assert.deepEqual({ exitCode: ours.exitCode, stderr: ours.stderr, heading: ours.heading }, { exitCode: real.exitCode, stderr: real.stderr, heading: real.heading });
  const kind = (key: string): string => key.split(' ').slice(0, 3).join(' ');
  const known = new Set([...real.resources.keys()].map(kind));
  if (real.resources.size > 0) assert.ok(ours.resources.size > 0, 'no resource where the real thing has some');
  for (const [key, shape] of ours.resources) {
    if (known.size > 0) assert.ok(known.has(kind(key)), `the real thing has no ${key}`);
    const same = real.resources.get(key);
    if (same === undefined || typeof shape !== 'object' || shape === null) continue;
    for (const [field, type] of Object.entries(same ?? {})) if (field in shape) assert.deepEqual((shape as Record<string, unknown>)[field], type, `${key}: ${field}`);
  }
}

/** Every recorded command of a file is compared, or is in NOT_IMITATED with a reason: there is no third kind. */
function compareFile(file: string, only: (recording: Recording) => boolean = () => true): void {
  const reasons = NOT_IMITATED[file] ?? [];
  for (const recording of recordings(file).filter(only)) {
    const reason = reasons.find(([pattern]) => pattern.test(recording.name))?.[1] ?? (recording.note?.startsWith('shortened') ? 'the recording is shortened' : undefined);
    test(recording.name, reason === undefined ? {} : { skip: reason }, async () => agree(recording, await answer(recording)));
  }
}

describe('the virtual Pi answers as real Talos 1.11.0 was recorded', { concurrency: false }, () => {
  before(async () => { files = await makeFiles(CP, NEW); });
  after(async () => {
    for (const board of boards) await board.powerOff();
    files.remove();
  });

  describe('in maintenance mode, container', { concurrency: false }, () => {
    before(async () => { boards.push(await bootedBoard(WORKER, partsWithoutKubernetes(files.folder), join(files.folder, 'a'))); });
    compareFile('maintenance');
    after(async () => { await boards.pop()!.powerOff(); });
  });

  describe('in maintenance mode, metal', { concurrency: false }, () => {
    before(async () => { boards.push(await bootedBoard(NEW, partsWithoutKubernetes(files.folder), join(files.folder, 'b'))); });
    compareFile('vm-maintenance');
    after(async () => { await boards.pop()!.powerOff(); });
  });

  describe('with a config', { concurrency: false }, () => {
    before(async () => {
      mkdirSync(join(files.folder, 'cards'));
      const parts = { ...createBoardParts(toolPrograms()), card: memoryCards(join(files.folder, 'cards')) };
      boards.push(await bootedBoard(CP, parts, join(files.folder, 'c')), await bootedBoard(WORKER, parts, join(files.folder, 'c')));
      await applied(boards[0]!, 'controlplane.yaml', files);
    });
    describe('a control plane before its bootstrap', { concurrency: false }, () => compareFile('applied-controlplane-before-bootstrap'));
    describe('bootstrapped', { concurrency: false }, () => {
      before(async () => {
        await applied(boards[1]!, 'worker.yaml', files);
      });
      compareFile('bootstrapped', (one) => one.name === 'bootstrap first' || one.name === 'bootstrap second time, at once');
      test('comes up', async () => {
        const ready = async (): Promise<boolean> => (await talosctl(['get', 'machinestatus', '-n', `${CP},${WORKER}`], { cwd: files.folder, talosconfig: files.talosconfig })).stdout.match(/true/g)?.length === 2;
        await until(ready, 'both machines ready');
        await until(async () => /Running +OK/.test((await talosctl(['service', '-n', CP], { cwd: files.folder, talosconfig: files.talosconfig })).stdout.split('\n').find((line) => / etcd /.test(line)) ?? ''), 'etcd healthy');
      });
      compareFile('bootstrapped', (one) => one.name !== 'bootstrap first' && one.name !== 'bootstrap second time, at once');
    });
    describe('a worker', { concurrency: false }, () => compareFile('worker'));
    describe('refusing', { concurrency: false }, () => {
      before(async () => {
        const stranger = await bootedBoard('127.78.0.13', partsWithoutKubernetes(files.folder), join(files.folder, 'd'));
        boards.push(stranger);
        await applied(stranger, 'other-controlplane.yaml', files, join(files.folder, 'other-talosconfig'));
      });
      compareFile('errors');
    });
    after(async () => {
      for (const board of boards.splice(0)) await board.powerOff();
      assert.ok(true);
    });
  });
});
