import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { testHost, type TestHost } from '../support/host.ts';

const ROOT = join(import.meta.dirname, '../..');

let host: TestHost;
beforeEach(() => { host = testHost(); });
afterEach(() => host.remove());

function firstlight(...args: string[]): { status: number | null; stdout: string; stderr: string } {
  return spawnSync(process.execPath, [join(ROOT, 'scripts/cli.ts'), ...args], { cwd: ROOT, encoding: 'utf8', timeout: 60_000 });
}

test('flash tells every unknown node at once, and that none was named, as usage errors', () => {
  const unknown = firstlight('flash', 'gandalf', 'gandalf-w-9', 'gandalf-w-1', 'nobody');
  assert.equal(unknown.status, 64, unknown.stderr);
  assert.match(unknown.stderr, /no node gandalf-w-9\n.*Did you mean gandalf-w-1\?[^]*no node nobody[^]*E_USAGE_NODES {2}2 nodes are unknown/);
  assert.deepEqual(firstlight('flash', 'gandalf-w-9').status, 64);
  const none = firstlight('flash', 'gandalf');
  assert.deepEqual([none.status, none.stdout], [64, '']);
  assert.match(none.stderr, /E_USAGE_NODES {2}no node was named\n.*gandalf-cp-1, gandalf-w-1, gandalf-w-2, gandalf-w-3/);
});

test('card inspect needs no cluster, answers as data, and tells what it cannot read', () => {
  const path = join(host.scratch, 'card.img');
  writeFileSync(path, '');
  truncateSync(path, 8e9);
  assert.deepEqual(JSON.parse(firstlight('card', 'inspect', path, '--json').stdout), { code: 'card', data: { device: path, kind: 'blank', bytes: 8e9, partitions: [], used: false } });
  assert.equal(firstlight('card', 'inspect', path).stdout, `${path}  8.0 GB\n  is          blank: no partition table\n`);
  for (const [device, code] of [[`${path}.none`, 'E_CARD_MISSING'], [host.scratch, 'E_CARD_KIND'], ['/dev/null', 'E_CARD_KIND']] as const) {
    const refused = firstlight('card', 'inspect', device);
    assert.equal(refused.status, 1);
    assert.match(refused.stderr, new RegExp(code));
  }
  assert.equal(firstlight('card', 'inspect').status, 64);
});
