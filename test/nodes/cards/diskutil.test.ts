import assert from 'node:assert/strict';
import { chmodSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { listMacDisks } from '../../../nodes/cards/diskutil.ts';
import { cardCandidates, proveCard, sizeByReading } from '../../../nodes/cards/prove.ts';
import { refusal } from '../../../nodes/cards/rules.ts';
import { testHost, type TestHost } from '../../support/host.ts';

// What diskutil tells on a MacBook with a card in its own slot, one in a USB reader and some other disks (put together from
// published outputs, with their keys and values; not recorded on one machine), in the JSON that
// plutil makes of it. The programs here are executables on PATH, so that the choice between lsblk and diskutil is the real one.
const told = JSON.parse(readFileSync(join(import.meta.dirname, 'desks/diskutil-macbook.json'), 'utf8')) as Record<string, object>;

let host: TestHost;
beforeEach(() => {
  host = testHost();
  const cases = Object.entries(told).map(([args, answer]) => `'${args}') cat <<'EOF'\n${JSON.stringify(answer)}\nEOF\n;;`).join('\n');
  program('diskutil', `case "$*" in\n${cases}\n*) echo '{"Error": true, "ErrorMessage": "Could not find disk"}'; exit 1;;\nesac`);
  program('plutil', 'exec /bin/cat');
  host.environment['PATH'] = host.scratch;
});
afterEach(() => host.remove());

function program(name: string, script: string): void {
  writeFileSync(join(host.scratch, name), `#!/bin/sh\ncat() { /bin/cat "$@"; }\n${script}\n`);
  chmodSync(join(host.scratch, name), 0o755);
}

test('on a Mac only a free card in its slot or a reader is a candidate', async () => {
  assert.deepEqual(await cardCandidates(host), [{ device: '/dev/disk4', bytes: 63_864_569_856, model: 'Built In SDXC Reader', serial: '' }]);
});

test('every other disk of the Mac is refused by its own code', async () => {
  const codes = (await listMacDisks(host)).map((disk) => `${disk.path} ${refusal(disk, { named: false, explicit: true })?.code ?? 'free'}`);
  assert.deepEqual(codes, [
    '/dev/disk0 E_CARD_SYSTEM', '/dev/disk3 E_CARD_SYSTEM', '/dev/disk4 free', '/dev/disk5 E_CARD_BUSY', '/dev/disk6 E_CARD_KIND',
    '/dev/disk7 E_CARD_LARGE', '/dev/disk8 E_CARD_KIND', '/dev/disk9 E_CARD_READ_ONLY',
  ]);
});

test('one disk is asked for by its name; one that is not there is none; nonsense is an error', async () => {
  assert.equal((await listMacDisks(host, '/dev/disk5'))[0]?.mountpoints.length, 0);
  assert.deepEqual((await listMacDisks(host, '/dev/disk5'))[0]?.children.map((part) => part.mountpoints), [['/Volumes/NO NAME']]);
  assert.deepEqual(await listMacDisks(host, '/dev/disk44'), []);
  program('diskutil', 'echo nonsense');
  await assert.rejects(listMacDisks(host), { code: 'E_DISKUTIL' });
});

test('where lsblk is there diskutil is not asked, and where neither is there that is said', async () => {
  program('lsblk', `cat <<'EOF'\n{"blockdevices": []}\nEOF`);
  assert.deepEqual(await cardCandidates(host), []);
  host.environment['PATH'] = join(host.scratch, 'nothing');
  await assert.rejects(cardCandidates(host), { code: 'E_CARD_TOOLS' });
});

test('a size that no system tells is found by reading', async () => {
  const path = join(host.scratch, 'card');
  for (const bytes of [0, 512, 1024, 1536, 7_999_999_488]) {
    writeFileSync(path, '');
    truncateSync(path, bytes);
    assert.equal(await sizeByReading(path), bytes);
  }
  assert.equal((await proveCard(host, path)).bytes, 7_999_999_488);
});
