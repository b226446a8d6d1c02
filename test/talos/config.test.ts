import { test } from 'node:test';
import assert from 'node:assert/strict';
import { mkdir, readFile, readdir, writeFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { parse } from 'yaml';
import { installImage, machineConfig, talosconfig } from '../../talos/config.ts';
import { makeBundle, observeBundle, openBundle } from '../../talos/secrets.ts';
import type { Cluster } from '../../nodes/cluster.ts';
import { ageKey } from '../support/age.ts';
import { testHost, type TestHost } from '../support/host.ts';
import { exampleCluster } from './example.ts';

const IMAGE = installImage('1.11.0', '0123abcd');

/** A cluster folder with a fresh bundle, and a host that can open it. */
async function withBundle(work: (host: TestHost, cluster: Cluster) => Promise<void>): Promise<void> {
  const maker = testHost();
  const [mine, other] = [await ageKey(maker, 'mine'), await ageKey(maker, 'other')];
  const host = testHost({ SOPS_AGE_KEY_FILE: mine.file });
  const folder = join(maker.scratch, 'machines', 'gandalf');
  await mkdir(folder, { recursive: true });
  const recipients = [{ name: 'cluster', role: 'cluster' as const, key: mine.recipient }, { name: 'owner', role: 'owner' as const, key: other.recipient }];
  try {
    const cluster = exampleCluster(folder, { secrets: { recipients } });
    await makeBundle(host, cluster);
    await work(host, cluster);
  } finally {
    host.remove();
    maker.remove();
  }
}

function node(cluster: Cluster, name: string) {
  const found = cluster.nodes.find((each) => each.name === name);
  assert.ok(found);
  return found;
}

test('the bundle is made once, encrypted for every recipient, and never replaced', async () => {
  await withBundle(async (host, cluster) => {
    const path = join(cluster.folder, 'secrets.sops.yaml');
    const before = await readFile(path, 'utf8');
    assert.doesNotMatch(before, /LS0tLS1CRUdJTi/);
    assert.deepEqual(await observeBundle(host, cluster), { kind: 'there', path, recipients: cluster.secrets.recipients.map((each) => each.key), missing: [] });
    await assert.rejects(makeBundle(host, cluster), { code: 'E_BUNDLE_EXISTS' });
    assert.equal(await readFile(path, 'utf8'), before);
    assert.deepEqual(await readdir(cluster.folder), ['secrets.sops.yaml']);
    assert.ok(!(await readdir(host.scratch)).some((name) => name.startsWith('bundle')));
    const more = { ...cluster, secrets: { recipients: [...cluster.secrets.recipients, { name: 'paper', role: 'offline' as const, key: 'age1paper' }] } };
    assert.deepEqual((await observeBundle(host, more) as { missing: unknown }).missing, ['age1paper']);
  });
});

test('two that make the bundle at once leave one bundle, whole', async () => {
  await withBundle(async (host, cluster) => {
    const fresh = { ...cluster, folder: join(cluster.folder, 'fresh') };
    await mkdir(fresh.folder);
    const results = await Promise.allSettled([makeBundle(host, fresh), makeBundle(host, fresh)]);
    assert.equal(results.filter((result) => result.status === 'fulfilled').length, 1);
    assert.equal(results.flatMap((result) => (result.status === 'rejected' ? [result.reason.code] : []))[0], 'E_BUNDLE_EXISTS');
    await openBundle(host, fresh);
    assert.deepEqual(await readdir(fresh.folder), ['secrets.sops.yaml']);
  });
});

test('an opened bundle has its secrets masked, also as PEM, but not its certificates', async () => {
  await withBundle(async (host, cluster) => {
    const bundle = await openBundle(host, cluster);
    const raw = parse(bundle.text);
    for (const secret of [raw.cluster.secret, raw.secrets.bootstraptoken, raw.trustdinfo.token, raw.certs.os.key, raw.certs.k8sserviceaccount.key, Buffer.from(raw.certs.k8s.key, 'base64').toString().split('\n')[1]]) {
      assert.equal(host.mask.hide(`x ${secret} y`), 'x ••• y');
    }
    assert.equal(host.mask.hide(raw.certs.os.crt), raw.certs.os.crt);
    assert.equal(bundle.clusterId, raw.cluster.id);
    assert.match(bundle.osCa, /^-----BEGIN CERTIFICATE-----/);
  });
});

test('a bundle that lies there plain, or lacks a part, is told', async () => {
  await withBundle(async (host, cluster) => {
    const path = join(cluster.folder, 'secrets.sops.yaml');
    await writeFile(path, 'cluster: {id: x}\n');
    await assert.rejects(observeBundle(host, cluster), { code: 'E_SOPS_PLAIN' });
    const { sopsEncrypt } = await import('../../lib/sops.ts');
    await writeFile(path, await sopsEncrypt(host, { plain: 'cluster: {id: x}\n', path, recipients: cluster.secrets.recipients.map((each) => each.key) }));
    await assert.rejects(openBundle(host, cluster), { code: 'E_BUNDLE_SHAPE', message: /certs/ });
  });
});

test('configs of Talos 1.11 pass `talosctl validate --strict`, carry what was declared, and are the same bytes twice', async () => {
  await withBundle(async (host, cluster) => {
    const bundle = await openBundle(host, cluster);
    for (const each of cluster.nodes) {
      const text = await machineConfig(host, cluster, each, bundle, { installImage: IMAGE });
      assert.equal(await machineConfig(host, cluster, each, bundle, { installImage: IMAGE }), text);
      const path = join(host.scratch, 'check.yaml');
      await writeFile(path, text, { mode: 0o600 });
      await host.run({ program: 'talosctl', args: ['validate', '--mode', 'metal', '--strict', '-c', path] });
      const { machine, cluster: kubernetes } = parse(text);
      assert.equal(machine.network.hostname, each.name);
      assert.deepEqual(machine.network.interfaces[0].addresses, [`${each.address}/24`]);
      assert.equal(machine.network.interfaces[0].deviceSelector.hardwareAddr, each.mac);
      assert.equal(machine.network.interfaces[0].dhcp, false);
      assert.equal(machine.install.image, IMAGE);
      assert.deepEqual(machine.time.servers, cluster.network.ntp);
      assert.equal(kubernetes.controlPlane.endpoint, cluster.network.endpoint);
      const control = each.role === 'control plane';
      assert.equal(machine.type, control ? 'controlplane' : 'worker');
      assert.deepEqual(machine.network.interfaces[0].vip, control ? { ip: '192.168.77.10' } : undefined);
      assert.equal(Boolean(kubernetes.etcd?.ca?.key && kubernetes.secretboxEncryptionSecret && kubernetes.serviceAccount?.key && machine.ca.key), control);
      assert.match(machine.kubelet.image, /:v1\.34\.1$/);
      for (const [label, value] of Object.entries(each.labels)) assert.equal(machine.nodeLabels[label], value);
    }
    assert.deepEqual((await readdir(host.scratch)).filter((name) => name.startsWith('config-')), []);
  });
});

test('owner patches win over the built-in one, in their order; a bad one is named', async () => {
  await withBundle(async (host, cluster) => {
    const bundle = await openBundle(host, cluster);
    const patches = join(cluster.folder, 'patches');
    await mkdir(patches);
    await writeFile(join(patches, 'all.yaml'), 'machine: {sysctls: {a: all, b: all, c: all}}\n');
    await writeFile(join(patches, 'worker.yaml'), 'machine: {sysctls: {b: role, c: role}}\n');
    await writeFile(join(patches, 'worker-1.yaml'), 'machine: {sysctls: {c: node}, install: {disk: /dev/sda}}\n');
    const { machine } = parse(await machineConfig(host, cluster, node(cluster, 'worker-1'), bundle, { installImage: IMAGE }));
    assert.deepEqual(machine.sysctls, { a: 'all', b: 'role', c: 'node' });
    assert.equal(machine.install.disk, '/dev/sda');
    await writeFile(join(patches, 'worker.yaml'), 'machine: {sysctl: {b: role}}\n');
    await assert.rejects(machineConfig(host, cluster, node(cluster, 'worker-2'), bundle, { installImage: IMAGE }),
      (error: { code: string; where: { file: string } }) => error.code === 'E_PATCH' && error.where.file.endsWith('worker.yaml'));
    await writeFile(join(patches, 'worker.yaml'), 'machine: {install: {$patch: delete}}\n');
    await assert.rejects(machineConfig(host, cluster, node(cluster, 'worker-2'), bundle, { installImage: IMAGE }), { code: 'E_TALOS_INVALID_CONFIG' });
  });
});

test('a talosctl older than the cluster’s Talos is refused, not used', async () => {
  await withBundle(async (host, cluster) => {
    const bundle = await openBundle(host, cluster);
    const newer = { ...cluster, talos: { ...cluster.talos, version: 'v1.99.0' } };
    await assert.rejects(machineConfig(host, newer, node(cluster, 'cp-1'), bundle, { installImage: IMAGE }), { code: 'E_TALOS_VERSION', message: /older/ });
    await assert.rejects(makeBundle(host, { ...newer, folder: join(cluster.folder, 'x') }), { code: 'E_TALOS_VERSION' });
  });
});

test('the talosconfig has the control planes as endpoints, and its key is masked', async () => {
  await withBundle(async (host, cluster) => {
    const text = await talosconfig(host, cluster, await openBundle(host, cluster));
    const read = parse(text);
    assert.equal(read.context, 'gandalf');
    assert.deepEqual(read.contexts.gandalf.endpoints, ['192.168.77.11']);
    assert.ok(!host.mask.hide(text).includes(read.contexts.gandalf.key));
  });
});

test('no secret is in any program’s arguments or environment, and files that hold some are private', async () => {
  await withBundle(async (host, cluster) => {
    const bundle = await openBundle(host, cluster);
    const raw = parse(bundle.text);
    const secrets: string[] = [raw.cluster.secret, raw.secrets.bootstraptoken, raw.secrets.secretboxencryptionsecret, raw.trustdinfo.token, raw.certs.os.key, raw.certs.k8s.key, raw.certs.etcd.key];
    let files = 0;
    const watching: TestHost = {
      ...host,
      run: async (command) => {
        const open = [...command.args, ...Object.values(command.env ?? {})].join('\n');
        for (const secret of secrets) assert.ok(!open.includes(secret), command.args.slice(0, 2).join(' '));
        const done = await host.run(command);
        for (const name of await readdir(host.scratch, { recursive: true })) {
          const info = await stat(join(host.scratch, name));
          assert.equal(info.mode & 0o077, 0, name);
          files += info.isFile() ? 1 : 0;
        }
        return done;
      },
    };
    for (const each of cluster.nodes) await machineConfig(watching, cluster, each, bundle, { installImage: IMAGE });
    await talosconfig(watching, cluster, bundle);
    await mkdir(join(cluster.folder, 'again'));
    await makeBundle(watching, { ...cluster, folder: join(cluster.folder, 'again') });
    assert.ok(files > 0);
  });
});
