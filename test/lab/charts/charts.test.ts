import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { parse, parseAllDocuments } from 'yaml';
import { metadataOf, packChart, readChart, withBuild, withDependency, withMetadata } from '../../../lab/charts/chart.ts';
import { chartsOf, findChart } from '../../../lab/charts/shelf.ts';
import { mergeValues, overlayValues } from '../../../lab/charts/values.ts';
import { anyVersion, chooseVersion, isOutside } from '../../../lab/charts/versions.ts';

const CSI = 'https://christian-schlichtherle.github.io/synology-csi-chart';

test('a version constraint is read as Helm does, and the newest that fits is taken', () => {
  const seen = ['0.9.10', '0.11.1', '0.11.0', '0.10.1', '0.12.0-rc.1'];
  const cases: [constraint: string | undefined, chosen: string | undefined, any: string | undefined][] = [
    [undefined, '0.11.1', '0.1.0'], ['', '0.11.1', '0.1.0'], ['*', '0.11.1', '0.1.0'], ['0.10.1', '0.10.1', '0.10.1'], ['v0.10.1', '0.10.1', '0.10.1'],
    ['0.10.x', '0.10.1', '0.10.0'], ['~0.9.2', '0.9.10', '0.9.2'], ['>=0.9, <0.11', '0.10.1', '0.9.0'], ['^0.9 || ^0.10', '0.10.1', '0.9.0'],
    ['>=0.11.0-0', '0.12.0-rc.1', '0.11.0'], ['0.12.0-rc.1', '0.12.0-rc.1', '0.12.0-rc.1'], ['1.x', undefined, '1.0.0'], ['latest', undefined, undefined],
  ];
  for (const [constraint, chosen, any] of cases) assert.deepEqual([constraint, chooseVersion(seen, constraint), anyVersion(constraint)], [constraint, chosen, any]);
  assert.deepEqual(['0.9.9', '0.9.99', '1.0.0'].map((version) => isOutside(version, seen)), [true, false, true]);
});

test('the shelf answers as a Helm repository does, and tells what it only plays', async () => {
  const ask = async (repository: string, name: string, version?: string): Promise<string> => {
    const found = await findChart({ repository, name, version });
    return 'missing' in found ? `${found.missing}: ${found.message}` : `${found.played} ${found.version}`;
  };
  assert.equal(await ask(`${CSI}/`, 'synology-csi'), 'objects 0.11.1');
  assert.equal(await ask(CSI, 'synology-csi', '0.9.99'), "version: no 'synology-csi' chart with version matching '0.9.99' found");
  assert.equal(await ask(CSI, 'synology-csi', 'newest'), 'constraint: improper constraint: newest');
  assert.equal(await ask(CSI, 'sinology-csi'), 'name: no chart name found');
  assert.equal(await ask(CSI, 'synology-csi', '~0.10.0'), 'note 0.10.1');
  assert.equal(await ask(CSI, 'synology-csi', '0.12.0'), 'objects 0.12.0');
  assert.equal(await ask('oci://mirror.example.test/charts', 'synology-csi', '0.9.99'), 'note 0.9.99');
  assert.equal(await ask('https://charts.example.test', 'mithril', '^2.1'), 'note 2.1.0');
  assert.equal(await ask('https://charts.jetstack.io', 'cert-manager', '1.x'), 'kinds 1.0.0');
  const kinds = await findChart({ repository: 'oci://docker.io/envoyproxy', name: 'gateway-helm', version: '>= 1.8.0-rc.0' });
  assert.ok('chart' in kinds);
  const crds = parseAllDocuments(kinds.chart.files.get('templates/kinds.yaml')?.toString() ?? '').map((crd) => crd.toJS() as { metadata: { name: string }; spec: { scope: string } });
  const scopes = new Map(crds.map((crd) => [crd.metadata.name, crd.spec.scope]));
  const wanted = { 'gatewayclasses.gateway.networking.k8s.io': 'Cluster', 'httproutes.gateway.networking.k8s.io': 'Namespaced', 'envoyproxies.gateway.envoyproxy.io': 'Namespaced' };
  assert.deepEqual(Object.fromEntries(Object.keys(wanted).map((name) => [name, scopes.get(name)])), wanted);
  assert.deepEqual((await chartsOf(CSI)).map(({ name }) => name), ['synology-csi']);
  const newer = await findChart({ repository: CSI, name: 'synology-csi', version: '0.12.0' });
  assert.ok('chart' in newer && metadataOf(newer.chart).version === '0.12.0' && /nobody looked/.test(newer.remark));
});

test('every chart on the shelf is whole: in each of its repositories the newest has a chart of that name and version', async () => {
  const shelf = parse(readFileSync(new URL('../../../lab/charts/shelf.yaml', import.meta.url), 'utf8')) as Record<string, { repositories: string[]; versions: Record<string, string> }>;
  for (const [name, { repositories, versions }] of Object.entries(shelf)) {
    for (const repository of repositories) {
      const found = await findChart({ repository, name, version: undefined });
      assert.ok('chart' in found && found.played === 'objects' && found.chart.files.has('values.yaml'), `${name} of ${repository}`);
      const { appVersion, ...metadata } = metadataOf(found.chart) as ReturnType<typeof metadataOf> & { appVersion?: string };
      assert.deepEqual([metadata.name, metadata.version, appVersion], [name, found.version, versions[found.version]]);
    }
  }
});

test('a chart is packed as real tar reads it, the same bytes each time; its folder is not left', async (t) => {
  const root = mkdtempSync(join(tmpdir(), 'firstlight-chart-'));
  t.after(() => rmSync(root, { recursive: true, force: true }));
  const deep = `templates/${'a'.repeat(60)}/${'b'.repeat(60)}.yaml`;
  for (const [path, text] of Object.entries({ 'ring/Chart.yaml': 'apiVersion: v2\nname: ring\nversion: 1.2.3\n', 'ring/values.yaml': 'a: 1\n', [`ring/${deep}`]: 'kind: X\n', 'secret.txt': 's' })) {
    mkdirSync(join(root, path, '..'), { recursive: true });
    writeFileSync(join(root, path), text);
  }
  const chart = withDependency(withBuild(await readChart(join(root, 'ring')), ['abc', '7']), withMetadata(await readChart(join(root, 'ring')), { name: 'finger' }));
  const packed = packChart(chart);
  assert.deepEqual(packed, packChart(chart));
  writeFileSync(join(root, 'ring.tgz'), packed);
  const tar = (...args: string[]): string => execFileSync('tar', args, { cwd: root, encoding: 'utf8' });
  assert.deepEqual(tar('-tzf', 'ring.tgz').trim().split('\n').sort(), ['Chart.yaml', 'values.yaml', deep].flatMap((file) => [`ring/${file}`, `ring/charts/finger/${file}`]).sort());
  assert.match(tar('-xzOf', 'ring.tgz', 'ring/Chart.yaml'), /^version: 1\.2\.3\+abc\.7$/m);
  assert.equal(tar('-xzOf', 'ring.tgz', `ring/${deep}`), 'kind: X\n');

  symlinkSync('../../secret.txt', join(root, 'ring', 'templates', 'out'));
  await assert.rejects(readChart(join(root, 'ring')), /outside the base directory/);
  assert.ok((await readChart(join(root, 'ring'), root)).files.has('templates/out'));
  await assert.rejects(readChart(join(root, 'ring', 'templates'), root), /no 'Chart\.yaml' found/);
});

test('values files are merged in order, and a missing one is told unless it may be missing', async () => {
  const found = await findChart({ repository: CSI, name: 'synology-csi', version: undefined });
  assert.ok('chart' in found);
  const files: Record<string, string> = { 'a.yaml': 'x: { y: 1, z: [1, 2] }\n', 'b.yaml': 'x: { z: [3] }\nq: null\n', 'bad.yaml': 'a: [\n' };
  const read = async (path: string): Promise<Buffer | undefined> => (files[path] === undefined ? undefined : Buffer.from(files[path]));
  const merged = await overlayValues(found.chart, ['a.yaml', 'none.yaml', 'b.yaml'], read, true);
  assert.equal(merged.files.get('values.yaml')?.toString(), 'x:\n  y: 1\n  z:\n    - 3\nq: null\n');
  await assert.rejects(overlayValues(found.chart, ['none.yaml'], read, false), /no values file found at path 'none\.yaml'/);
  await assert.rejects(overlayValues(found.chart, ['bad.yaml'], read, false), /unmarshaling values from 'bad\.yaml' failed/);
  assert.deepEqual(mergeValues({ a: { b: 1 } }, { a: 2 }), { a: 2 });
});
