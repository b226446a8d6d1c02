import assert from 'node:assert/strict';
import { mkdtempSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { parse } from 'yaml';
import * as z from 'zod';
import { ManyErrors, type FirstlightError } from '../../lib/errors.ts';
import { loadCluster } from '../../nodes/load.ts';
import { clusterJsonSchema } from '../../nodes/schema.ts';

const ROOT = join(import.meta.dirname, '../..');
const INVENTORIES = join(ROOT, 'test/inventories');

async function mistakes(file: string): Promise<readonly FirstlightError[]> {
  const error = await loadCluster(file).then(() => undefined, (thrown: unknown) => thrown);
  assert.ok(error instanceof ManyErrors, `${file}: ${String(error)}`);
  assert.equal(error.code, 'E_INVENTORY');
  return error.problems;
}

const invalid = readdirSync(join(INVENTORIES, 'invalid')).filter((name) => name !== 'many-mistakes.yaml');

test('there are enough one-mistake files', () => assert.ok(invalid.length >= 40));

for (const name of invalid) {
  test(`invalid/${name}`, async () => {
    const file = join(INVENTORIES, 'invalid', name);
    const text = readFileSync(file, 'utf8');
    const [, code, line] = /^# expect: (E_INVENTORY_\w+) line (\d+)\n/.exec(text) ?? [];
    const problems = await mistakes(file);
    const told = problems.map((problem) => `${problem.where.line}:${problem.where.col} ${problem.code} ${problem.message}`).join('\n');
    assert.equal(problems.length, 1, told);
    const [only] = problems;
    assert.deepEqual([only?.code, only?.where.line, only?.where.file], [code, Number(line), file], told);
    assert.ok((only?.where.col ?? 0) >= 1 && (only?.hint.length ?? 0) > 10);
    assert.doesNotMatch(`${only?.message}${only?.hint}`, /hunter2|QQQQ|undefined|\[object/);
  });
}

test('every mistake of a file is told, once, in its order', async () => {
  const problems = await mistakes(join(INVENTORIES, 'invalid/many-mistakes.yaml'));
  assert.deepEqual(problems.map(({ code, where }) => `${where.line} ${code.replace('E_INVENTORY_', '')}`), [
    '2 NAME', '4 TALOS_VERSION', '6 KEY', '8 SUBNET_HOST_BITS', '10 ENDPOINT', '11 QUORUM', '15 ADDRESS_ZERO', '16 NAME_TWICE',
    '18 MAC_TWICE', '20 PORT_WITHOUT_SWITCH', '21 MISSING', '22 MAC_MULTICAST', '23 ADDRESS_TWICE',
    '25 ADDRESS', '28 SIZE', '28 IQN', '30 RECIPIENTS_FEW', '31 RECIPIENT',
  ]);
});

for (const name of readdirSync(join(INVENTORIES, 'valid'))) {
  test(`valid/${name}`, async () => {
    const cluster = await loadCluster(join(INVENTORIES, 'valid', name));
    assert.equal(cluster.nodes.filter((node) => node.role === 'control plane').length % 2, 1);
  });
}

test('places for backups: one folder unless told, each with its kind, and how many stay', async () => {
  const file = join(INVENTORIES, 'valid/backup.yaml');
  const folder = join(INVENTORIES, 'valid');
  const { backup } = await loadCluster(file);
  assert.deepEqual(backup.places.map((place) => ('path' in place ? [place.kind, place.name, place.path] : [place.kind, place.name, place.prefix])), [
    ['folder', 'here', join(folder, 'backups')], ['folder', 'stick', '/mnt/stick/gandalf'], ['sftp', 'nas', '/volume1/backups/gandalf'], ['s3', 'offsite', 'prod/gandalf'],
  ]);
  assert.deepEqual(backup.places.map((place) => place.kind === 'folder' && place.make), [true, false, false, false], 'only a folder beside cluster.yaml is made');
  assert.deepEqual(backup.keep, { last: 3, daily: 7, weekly: 4, monthly: 12 });
  const { backup: unless } = await loadCluster(join(INVENTORIES, 'valid/nodes-only.yaml'));
  assert.deepEqual(unless, { places: [{ kind: 'folder', name: 'backups', path: join(folder, 'backups'), make: true }], keep: { last: 7, daily: 7, weekly: 4, monthly: 6 } });
});

test('defaults are filled in, and optional sections stay away', async () => {
  const cluster = await loadCluster(join(INVENTORIES, 'valid/nodes-only.yaml'));
  assert.deepEqual([cluster.power, cluster.nas, cluster.gitops], [undefined, undefined, undefined]);
  assert.deepEqual(cluster.talos, {
    version: '1.11.0', factory: 'https://factory.talos.dev',
    schematic: { overlay: { image: 'siderolabs/sbc-raspberrypi', name: 'rpi_generic' }, extensions: ['siderolabs/iscsi-tools', 'siderolabs/util-linux-tools'], kernelArgs: [] },
  });
  assert.deepEqual([cluster.network.dns, cluster.network.ntp, cluster.environment], [['192.168.77.1'], ['time.cloudflare.com'], 'prod']);
  assert.deepEqual(cluster.nodes[1], { name: 'w-1', role: 'worker', mac: 'dc:a6:32:00:00:21', address: '192.168.77.21', proof: 'stamp', labels: {} });
});

test('values come in one form: MAC addresses, versions, sizes, ports', async () => {
  const three = await loadCluster(join(INVENTORIES, 'valid/three-control-planes-virtual-ip.yaml'));
  assert.deepEqual([three.nodes[1]?.mac, three.nodes[1]?.proof], ['dc:a6:32:00:00:12', 'mac']);
  const newer = await loadCluster(join(INVENTORIES, 'valid/newer-talos-endpoint-by-name.yaml'));
  assert.deepEqual([newer.talos.version, newer.kubernetes.version], ['1.14.1', '1.37.0']);
  const { nas, power, gitops } = await loadCluster(join(INVENTORIES, 'valid/everything.yaml'));
  assert.deepEqual([nas?.luns[0]?.bytes, nas?.port, nas?.iscsiPort, power?.sshPort], [20 * 2 ** 30, 5001, 3260, 22]);
  assert.deepEqual([gitops?.branch, gitops?.path], ['main', 'clusters/gandalf']);
  const alone = await loadCluster(join(INVENTORIES, 'valid/static-addresses.yaml'));
  assert.deepEqual([three.network.maintenance, alone.network.maintenance], ['dhcp', 'static']);
});

test('a card reader elsewhere is taken apart', async () => {
  const { reader } = await loadCluster(join(INVENTORIES, 'valid/reader-elsewhere.yaml'));
  assert.deepEqual(reader, { user: 'pi', host: 'workbench.local', port: 2222, hostKey: 'SHA256:29JATVllDHrWGLxZ0Fgt8s38FdtagO6F4OCl4eP2+xo' });
});

test('the example is Gandalf, found by folder or file, inside its repository', async () => {
  const folder = join(ROOT, 'examples/homelab/machines/gandalf');
  const cluster = await loadCluster(folder);
  assert.deepEqual(cluster, await loadCluster(join(folder, 'cluster.yaml')));
  assert.deepEqual([cluster.folder, cluster.repository, cluster.name], [folder, join(ROOT, 'examples/homelab'), 'gandalf']);
  assert.deepEqual(cluster.nodes.map(({ name, port }) => [name, port]), [['gandalf-cp-1', 1], ['gandalf-w-1', 2], ['gandalf-w-2', 3], ['gandalf-w-3', 4]]);
});

test('a misspelt key is answered with the right one, a secret with where it belongs', async () => {
  const hint = async (name: string): Promise<string | undefined> => (await mistakes(join(INVENTORIES, 'invalid', name)))[0]?.hint;
  assert.equal(await hint('key-misspelt.yaml'), 'Did you mean labels?');
  assert.match(await hint('key-password-in-switch.yaml') ?? '', /credentials\.sops\.yaml/);
  assert.equal(await hint('subnet-with-host-bits.yaml'), 'Write 192.168.77.0/24.');
  assert.equal(await hint('address-with-leading-zero.yaml'), 'Write 192.168.77.21.');
  assert.match(await hint('switch-driver-unknown.yaml') ?? '', /^Did you mean unifi\?/);
});

test('a file that is not there, is empty or is a list is told plainly', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'firstlight-test-'));
  try {
    await assert.rejects(loadCluster(folder), { code: 'E_INVENTORY_FILE' });
    for (const text of ['', '- a\n', '# nothing\n', 'just text\n']) {
      writeFileSync(join(folder, 'cluster.yaml'), text);
      assert.deepEqual((await mistakes(folder)).map(({ code }) => code), ['E_INVENTORY_TYPE'], JSON.stringify(text));
    }
    mkdirSync(join(folder, 'other'));
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('the JSON Schema for editors accepts what is valid and refuses what has a wrong form', () => {
  const schema = z.fromJSONSchema(clusterJsonSchema() as Parameters<typeof z.fromJSONSchema>[0]);
  const accepts = (path: string): boolean => schema.safeParse(parse(readFileSync(join(INVENTORIES, path), 'utf8'))).success;
  for (const name of readdirSync(join(INVENTORIES, 'valid'))) assert.ok(accepts(`valid/${name}`), name);
  for (const name of ['key-misspelt', 'missing-name', 'role-misspelt', 'lun-size-zero', 'endpoint-http', 'ssh-port-too-big']) assert.ok(!accepts(`invalid/${name}.yaml`), name);
});

test('the committed JSON Schema is what the schema says', () => {
  const committed = JSON.parse(readFileSync(join(ROOT, 'nodes/cluster.schema.json'), 'utf8')) as unknown;
  assert.deepEqual(committed, clusterJsonSchema(), 'run: node scripts/dev/schema.ts');
});

test('a git host of one’s own has its API below its name unless told, and who forgot its key learns where public hosts publish theirs', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'firstlight-test-'));
  const text = readFileSync(join(INVENTORIES, 'valid/git-host.yaml'), 'utf8');
  const load = async (name: string, changed: string) => {
    writeFileSync(join(folder, name), changed);
    return loadCluster(join(folder, name));
  };
  assert.deepEqual((await load('a.yaml', text)).gitops?.host, { kind: 'gitea', api: 'https://git.example.com/gitea/api/v1' });
  assert.deepEqual((await load('b.yaml', text.replace(/host: \{.*/, 'host: { kind: gitlab }'))).gitops?.host, { kind: 'gitlab', api: 'https://git.example.com/api/v4' });
  writeFileSync(join(folder, 'c.yaml'), text.replace(/ {2}hostKey: .*\n/, ''));
  const [missing] = await mistakes(join(folder, 'c.yaml'));
  assert.equal(missing?.code, 'E_INVENTORY_MISSING');
  assert.match(missing?.hint ?? '', /docs\.github\.com\/.*fingerprints.*docs\.gitlab\.com/);
  rmSync(folder, { recursive: true });
});
