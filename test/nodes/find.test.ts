import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { findCluster } from '../../nodes/find.ts';

const root = mkdtempSync(join(tmpdir(), 'firstlight-test-'));
after(() => rmSync(root, { recursive: true }));

function cluster(...path: string[]): string {
  const folder = join(root, ...path);
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'cluster.yaml'), 'name: x\n');
  return folder;
}

cluster('machines/above-the-checkout');
const bundled = cluster('checkout/examples/homelab/machines/gandalf');
const only = cluster('one/machines/frodo');
const dev = cluster('many/machines/dev');
const prod = cluster('many/machines/prod');
mkdirSync(join(root, 'many/machines/notes'));
mkdirSync(join(root, 'many/apps/base'), { recursive: true });
mkdirSync(join(root, 'checkout/lib'));
mkdirSync(join(root, 'empty'));
const find = (argument: string | undefined, cwd: string): Promise<string> => findCluster(argument, join(root, cwd), bundled);

test('a folder and its cluster.yaml are taken as they are, from anywhere', async () => {
  assert.equal(await find(only, 'empty'), join(only, 'cluster.yaml'));
  assert.equal(await find('../one/machines/frodo', 'empty'), join(only, 'cluster.yaml'));
  assert.equal(await find('machines/frodo/cluster.yaml', 'one'), join(only, 'cluster.yaml'));
  assert.equal(await find('.', 'one/machines/frodo'), join(only, 'cluster.yaml'));
});

test('inside a homelab repository the name is enough, at any depth', async () => {
  assert.equal(await find('dev', 'many'), join(dev, 'cluster.yaml'));
  assert.equal(await find('prod', 'many/apps/base'), join(prod, 'cluster.yaml'));
});

test('left out, it is the only cluster, and in the checkout the bundled one', async () => {
  assert.equal(await find(undefined, 'one'), join(only, 'cluster.yaml'));
  assert.equal(await find(undefined, 'checkout'), join(bundled, 'cluster.yaml'));
  assert.equal(await find(undefined, 'checkout/lib'), join(bundled, 'cluster.yaml'));
  assert.equal(await find('gandalf', 'checkout'), join(bundled, 'cluster.yaml'));
});

test('where it is not clear, the error tells what there is', async () => {
  await assert.rejects(find(undefined, 'many'), { code: 'E_CLUSTER_MANY', hint: 'Name one of them: dev, prod.' });
  await assert.rejects(findCluster(undefined, '/', bundled), { code: 'E_CLUSTER_NONE' });
  await assert.rejects(find('prd', 'many'), { code: 'E_CLUSTER_UNKNOWN', hint: 'Did you mean prod? There are: dev, prod.' });
  await assert.rejects(find('notes', 'many'), { code: 'E_CLUSTER_UNKNOWN' });
  await assert.rejects(find('machines/notes', 'many'), { code: 'E_CLUSTER_UNKNOWN' });
});
