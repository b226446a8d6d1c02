import assert from 'node:assert/strict';
import { readdirSync, readFileSync, statSync } from 'node:fs';
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
