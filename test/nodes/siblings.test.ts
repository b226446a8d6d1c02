import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { ManyErrors } from '../../lib/errors.ts';
import { loadCluster } from '../../nodes/load.ts';

const gandalf = readFileSync(join(import.meta.dirname, '../../examples/homelab/machines/gandalf/cluster.yaml'), 'utf8');
let home: string;
beforeEach(() => { home = mkdtempSync(join(tmpdir(), 'firstlight-siblings-')); });
afterEach(() => rmSync(home, { recursive: true, force: true }));

function write(name: string, change: (text: string) => string): string {
  const folder = join(home, 'machines', name);
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'cluster.yaml'), change(gandalf.replace('name: gandalf\n', `name: ${name}\n`)));
  return folder;
}

async function mistakes(folder: string) {
  const error = await loadCluster(folder).then(() => undefined, (reason: unknown) => reason);
  return error instanceof ManyErrors ? error.problems : [];
}

test('one LUN in two clusters of a repository: refused in both, with both places', async () => {
  const prod = write('gandalf', (text) => text);
  const dev = write('saruman', (text) => text.replace('iqn: iqn.2000-01.com.synology:gandalf-data', 'iqn: iqn.2000-01.com.synology:other'));
  const line = gandalf.split('\n').findIndex((each) => each.includes('- name: gandalf-data')) + 1;
  for (const [folder, other] of [[prod, 'saruman'], [dev, 'gandalf']] as const) {
    const [only, ...more] = await mistakes(folder);
    assert.deepEqual(more, []);
    assert.equal(only?.code, 'E_INVENTORY_LUN_SHARED');
    assert.equal(only.where.line, line);
    assert.match(only.message, new RegExp(`gandalf-data is a LUN of the cluster in machines/${other} too \\(cluster\\.yaml:${line}:\\d+\\)`));
  }
});

test('the same IQN under another name is one LUN too; other names, another NAS and another uuid are not', async () => {
  const folder = write('gandalf', (text) => text);
  write('saruman', (text) => text.replace('- name: gandalf-data', '- name: saruman-data'));
  assert.deepEqual((await mistakes(folder)).map((each) => each.message.split(':')[0]), ['nas.luns[0].iqn']);
  write('saruman', (text) => text.replaceAll('gandalf-data', 'saruman-data'));
  assert.deepEqual(await mistakes(folder), []);
  write('saruman', (text) => text.replace('address: 192.168.77.5\n', 'address: 192.168.77.6\n'));
  assert.deepEqual(await mistakes(folder), []);
  const uuid = (first: string) => (text: string): string => text.replace('- name: gandalf-data\n', `- name: gandalf-data\n      uuid: ${first}1111111-2222-4333-8444-555555555555\n`);
  write('saruman', (text) => uuid('b')(text).replace('synology:gandalf-data', 'synology:other'));
  assert.deepEqual(await mistakes(write('gandalf', uuid('a'))), []);
});

test('a sibling’s own mistakes stop nobody else', async () => {
  const folder = write('gandalf', (text) => text);
  write('saruman', () => 'nas: [\n');
  mkdirSync(join(home, 'machines', 'empty'));
  assert.deepEqual(await mistakes(folder), []);
});
