import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { readIfThere, writeWhole } from '../../lib/files.ts';
import { testHost } from '../support/host.ts';

test('a file is replaced whole, with its mode, leaving nothing aside', async () => {
  const host = testHost();
  const path = join(host.scratch, 'deep', 'file');
  await writeWhole(path, 'one', 0o600);
  await writeWhole(path, 'two', 0o600);
  assert.equal(readFileSync(path, 'utf8'), 'two');
  assert.equal(statSync(path).mode & 0o777, 0o600);
  assert.deepEqual(readdirSync(join(host.scratch, 'deep')), ['file']);
  host.remove();
});

test('a write that fails leaves the old content and nothing aside', async () => {
  const host = testHost();
  const path = join(host.scratch, 'folder');
  await writeWhole(join(path, 'child'), 'kept');
  await assert.rejects(writeWhole(path, 'over a folder'));
  assert.equal(readFileSync(join(path, 'child'), 'utf8'), 'kept');
  assert.deepEqual(readdirSync(host.scratch), ['folder']);
  host.remove();
});

test('a file that is not there is undefined, any other failure is thrown', async () => {
  const host = testHost();
  assert.equal(await readIfThere(join(host.scratch, 'none')), undefined);
  await assert.rejects(readIfThere(host.scratch), { code: 'EISDIR' });
  host.remove();
});

test('what a killed writer of the same file left aside goes; a living one’s, and other files’, stay', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'firstlight-test-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const gone = spawnSync('true').pid;
  const stale = `.file.${gone}-0123456789ab`;
  const kept = [`.file.${process.pid}-0123456789ab`, `.other.${gone}-0123456789ab`, '.file.notes'];
  for (const name of [stale, ...kept]) writeFileSync(join(folder, name), 'half');
  await writeWhole(join(folder, 'file'), 'whole');
  assert.deepEqual(readdirSync(folder).sort(), [...kept, 'file'].sort());
});
