import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { zstdDecompressSync } from 'node:zlib';
import { packArchive } from '../../bootstrap/archive/pack.ts';
import { archiveName } from '../../bootstrap/archive/types.ts';
import { updateLock } from '../../lib/lock-file.ts';
import { CANARY, makeArchive, type MadeArchive } from '../bootstrap/archive/made.ts';
import { testHost, toolPrograms } from '../support/host.ts';

// The command on archives that lie in a folder: no cluster is needed to list and to prove them.

const cli = fileURLToPath(new URL('../../scripts/cli.ts', import.meta.url));
const inventory = fileURLToPath(new URL('../inventories/valid/nodes-only.yaml', import.meta.url));
const skip = ['etcdutl', 'talosctl', 'sops', 'age'].every((name) => toolPrograms().has(name)) ? false : 'needs etcd, talosctl, sops and age';
const host = testHost();
const folder = join(host.scratch, 'machines', 'gandalf');
const goodAt = Date.now() - 3 * 3_600_000;
const good = archiveName('gandalf', goodAt);
const bad = archiveName('gandalf', Date.now() - 26 * 3_600_000);
let made: MadeArchive;

before(async () => {
  if (skip) return;
  made = await makeArchive(host, join(host.scratch, 'made'));
  const [cluster, owner] = made.contents.about.recipients;
  mkdirSync(join(folder, 'backups'), { recursive: true });
  writeFileSync(join(folder, 'cluster.yaml'), readFileSync(inventory, 'utf8').replace('name: tiny', 'name: gandalf').replace(/key: age1caf3\w+/, `key: ${cluster!.key}`).replace(/key: age166l\w+/, `key: ${owner!.key}`));
  await packArchive(host, join(folder, 'backups', good), { ...made.contents, about: { ...made.contents.about, at: new Date(goodAt).toISOString() } });
  const bytes = readFileSync(join(folder, 'backups', good));
  bytes[bytes.length >> 1]! ^= 1;
  writeFileSync(join(folder, 'backups', bad), bytes);
  await updateLock(join(folder, 'firstlight.lock.yaml'), { backup: { signer: made.signer } });
});
after(() => host.remove());

function firstlight(words: readonly string[], json = false) {
  const env = { ...process.env, SOPS_AGE_KEY_FILE: join(host.scratch, 'two.age.txt') };
  return spawnSync(process.execPath, ['--disable-warning=ExperimentalWarning', cli, json ? '--json' : '--plain', 'backup', ...words], { cwd: folder, encoding: 'utf8', env, timeout: 120_000 });
}

test('the list has both, newest first, with age and place', { skip }, () => {
  const { status, stdout, stderr } = firstlight(['list', folder]);
  assert.equal(status, 0, stderr);
  const size = /[\d.]+ kB/.exec(stdout)?.[0];
  assert.deepEqual(stdout.trim().split('\n').map((line) => line.split(/ {2,}/)), [[good, '3 hours old', size, 'backups'], [bad, '26 hours old', size, 'backups']]);
});

test('all of them proven: the good one with what it is and whom it opens for, the other refused with the reason, exit code 1', { skip }, () => {
  const { status, stdout, stderr } = firstlight(['verify', folder, '--all']);
  assert.equal(status, 1, stderr);
  assert.match(stdout, new RegExp(`✔ ${good} .*backups\n  of gandalf, .*parts as signed, by the pinned key\n  snapshot restored and asked: revision \\d+, 5 objects, every Secret opens with the bundle\n  opens for gandalf, laptop \\(tried\\)\n`));
  assert.match(stdout, new RegExp(`✖ ${bad}  E_ARCHIVE_DAMAGED  backups\n  .*changed or cut off between byte \\d+ and \\d+.*\n  → `));
  assert.ok(!(stdout + stderr).includes(CANARY));
});

test('a file by its path, as data; nothing by that name is told', { skip }, () => {
  const { status, stdout } = firstlight(['verify', folder, made.file], true);
  assert.equal(status, 0, stdout);
  const last = JSON.parse(stdout.trim().split('\n').at(-1)!) as { data: { good: boolean; signer: string; secrets: string } };
  assert.deepEqual([last.data.good, last.data.signer, last.data.secrets], [true, 'pinned', 'decrypt']);
  const none = firstlight(['verify', folder, 'gandalf-20200101T000000Z.firstlight']);
  assert.equal(none.status, 1);
  assert.match(none.stderr, /E_BACKUP_NONE/);
});

test('where a place can’t be asked, what is good elsewhere is told, and not all is well', { skip }, () => {
  const file = join(folder, 'cluster.yaml');
  const text = readFileSync(file, 'utf8');
  writeFileSync(file, `${text}\nbackup:\n  places:\n    - { name: backups, folder: ./backups }\n    - { name: stick, folder: ${join(host.scratch, 'not-mounted')} }\n`);
  try {
    const { status, stdout, stderr } = firstlight(['verify', folder]);
    assert.equal(status, 1, stderr);
    assert.match(stdout, new RegExp(`✔ ${good} .*\n(.*\n)*! stick could not be asked: .* is not there\n`));
    assert.match(firstlight(['verify', folder, 'gandalf-20200101T000000Z.firstlight']).stderr, /E_BACKUP_NONE .*; stick could not be asked\n/);
  } finally {
    writeFileSync(file, text);
  }
});

test('age, zstd and tar open it without firstlight', { skip }, () => {
  const opened = execFileSync(toolPrograms().get('age')!, ['--decrypt', '-i', join(host.scratch, 'one.age.txt'), made.file]);
  const names = execFileSync('tar', ['-t'], { input: zstdDecompressSync(opened), encoding: 'utf8' }).trim().split('\n');
  assert.deepEqual(names, ['manifest.json', 'manifest.sig', ...made.contents.parts.map(({ name }) => name)]);
  assert.equal(basename(made.file), 'gandalf.firstlight');
});
