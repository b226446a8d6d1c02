import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, copyFileSync, readdirSync } from 'node:fs';
import { isIPv4 } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { test } from 'node:test';
import { Netmask } from 'netmask';
import { planAddresses, realAddresses, type AddressPlan } from '../../../lab/world/addresses.ts';
import { rewriteInventory } from '../../../lab/world/inventory.ts';
import type { Cluster } from '../../../nodes/cluster.ts';
import { loadCluster } from '../../../nodes/load.ts';

const valid = fileURLToPath(new URL('../../inventories/valid', import.meta.url));
const recipients = ['age1caf3fxhrt3xc2tsncsm7cmh62uk0ywvnvytvqfx8v6nc3gva7ewqlla5pf', 'age166lmqh5kfa7fxtvgt82hpy9l729guae9534tmn9xf06zyajpgqqstjnwdh'];

/** Every address and host that the road would speak to. */
function spokenTo(cluster: Cluster): string[] {
  return [
    ...cluster.nodes.map((node) => node.address), cluster.network.gateway, ...cluster.network.dns, ...cluster.network.ntp,
    new URL(cluster.network.endpoint).hostname, new URL(cluster.talos.factory).hostname,
    ...(cluster.power ? [cluster.power.address] : []), ...(cluster.reader ? [cluster.reader.host] : []), ...(cluster.nas ? [cluster.nas.address] : []), ...(cluster.gitops ? [new URL(cluster.gitops.url).hostname] : []),
  ];
}

async function rewritten(name: string, planOf: (cluster: Cluster) => AddressPlan): Promise<{ readonly real: Cluster; readonly lab: Cluster }> {
  const folder = mkdtempSync(join(tmpdir(), 'firstlight-inventory-'));
  const real = await loadCluster(join(valid, name));
  copyFileSync(join(valid, name), join(folder, 'cluster.yaml'));
  const plan = planOf(real);
  await rewriteInventory(folder, real, plan, {
    factory: `http://${plan.free()}:8480`, cards: new Map(real.nodes.map((node) => [node.name, join(folder, node.name)])),
    switchHostKey: 'SHA256:29JATVllDHrWGLxZ0Fgt8s38FdtagO6F4OCl4eP2+xo', nasCertificate: 'ab'.repeat(32),
    readerHostKey: 'SHA256:29JATVllDHrWGLxZ0Fgt8s38FdtagO6F4OCl4eP2+xo',
    gitHostKey: 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAINwvvF1lNh5cZnaioeCNaiBLz55pLGL8prS+RXMYfqxS', gitPath: '/homelab.git',
    recipients: real.secrets.recipients.map((recipient, index) => recipients[index] ?? recipient.key),
  });
  const lab = await loadCluster(folder);
  rmSync(folder, { recursive: true });
  return { real, lab };
}

for (const name of readdirSync(valid)) {
  test(`${name} rewritten for the lab is valid and names nothing but loopback`, async () => {
    const { real, lab } = await rewritten(name, (cluster) => planAddresses(cluster, 0x1234));
    for (const host of spokenTo(lab)) assert.match(host, /^127\.\d+\.\d+\.\d+$/);
    assert.equal(lab.nodes.length, real.nodes.length);
    assert.deepEqual(lab.nodes.map(({ name: node, mac, role }) => [node, mac, role]), real.nodes.map(({ name: node, mac, role }) => [node, mac, role]));
  });

  test(`${name} for a network namespace keeps every address, port and name, and each has its route or its line in the hosts file`, async () => {
    let plan: ReturnType<typeof realAddresses> | undefined;
    const { real, lab } = await rewritten(name, (cluster) => (plan = realAddresses(cluster)));
    const kept = ({ network, nodes, power, reader, nas, gitops }: Cluster) => ({
      network, nodes: nodes.map((node) => node.address), power: power && [power.address, power.sshPort],
      reader: reader && [reader.user, reader.host, reader.port], nas: nas && [nas.address, nas.port, nas.iscsiPort],
      git: gitops && [new URL(gitops.url).hostname, new URL(gitops.url).port || '22'],
    });
    assert.deepEqual(kept(lab), kept(real));
    const blocks = plan!.routes.map((route) => new Netmask(route));
    for (const host of spokenTo(lab)) {
      const addresses = isIPv4(host) ? [host] : plan!.names.get(host) ?? assert.fail(`${host} has no line`);
      assert.ok(addresses.every((address) => blocks.some((block) => block.contains(address))), host);
      assert.ok(addresses.includes(plan!.address(host)));
    }
  });
}

const network = { subnet: '192.168.77.0/24', gateway: '192.168.77.254', dns: [], ntp: [], endpoint: 'https://192.168.77.11:6443', maintenance: 'dhcp' } as const;
const node = { name: 'n', role: 'control plane', mac: 'dc:a6:32:00:00:11', address: '192.168.77.11', proof: 'stamp', labels: {} } as const;

test('hosts keep the end of their address, strangers get one of their own, nobody gets another’s', () => {
  const plan = planAddresses({ network, nodes: [node] }, 0x0102);
  assert.equal(plan.subnet, '127.129.2.0/24');
  assert.equal(plan.host('192.168.77.11'), '127.129.2.11');
  const github = plan.host('github.com');
  assert.match(github, /^127\.129\.2\.\d+$/);
  assert.equal(plan.host('github.com'), github);
  const given = new Set([plan.host('192.168.77.11'), plan.host('192.168.77.254'), github, plan.host('10.0.0.5'), ...Array.from({ length: 20 }, () => plan.free())]);
  assert.equal(given.size, 24);
  assert.deepEqual([plan.port(22), plan.port(5001)], [2222, 5001]);
  const endpointOf = (endpoint: string): string => planAddresses({ network: { ...network, endpoint }, nodes: [node] }, 0x0102).endpoint;
  assert.deepEqual(['192.168.77.11', '192.168.77.10', 'k8s.example'].map((host) => endpointOf(`https://${host}:6443`)), ['11', '10', '11'].map((end) => `https://127.129.2.${end}:6443`));
});

test('a wide network keeps two numbers of each address; one wider than /16 or with no room is refused', () => {
  const wide = planAddresses({ network: { ...network, subnet: '10.20.0.0/16', gateway: '10.20.0.1', endpoint: 'https://10.20.3.4:6443' }, nodes: [{ ...node, address: '10.20.3.4' }] }, 0x0102);
  assert.equal(wide.subnet, '127.129.0.0/16');
  assert.equal(wide.host('10.20.3.4'), '127.129.3.4');
  assert.throws(() => planAddresses({ network: { ...network, subnet: '10.0.0.0/8' }, nodes: [node] }, 1), { code: 'E_LAB_SUBNET' });
  const narrow = planAddresses({ network: { ...network, subnet: '192.168.77.8/29', gateway: '192.168.77.9', endpoint: 'https://192.168.77.11:6443' }, nodes: [node] }, 1);
  assert.throws(() => Array.from({ length: 6 }, () => narrow.free()), { code: 'E_LAB_SUBNET' });
});

test('with real addresses a network may be wide; the endpoint’s name stands for every control plane; a stranger’s address has a route of its own', () => {
  const second = { ...node, name: 'm', address: '10.0.0.12' };
  const plan = realAddresses({ network: { ...network, subnet: '10.0.0.0/8', gateway: '10.0.0.1', dns: ['9.9.9.9'], ntp: ['time.example'], endpoint: 'https://k8s.example:6443' }, nodes: [{ ...node, address: '10.0.0.11' }, second] });
  assert.deepEqual(plan.names.get('k8s.example'), ['10.0.0.11', '10.0.0.12']);
  assert.deepEqual(plan.routes, ['10.0.0.0/8', '9.9.9.9/32']);
  assert.deepEqual([plan.endpoint, plan.host('k8s.example'), plan.port(22)], ['https://k8s.example:6443', 'k8s.example', 22]);
  assert.match(plan.address('time.example'), /^10\.255\.255\.\d+$/);
  assert.notEqual(plan.free(), plan.address('time.example'));
});
