import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parse, stringify } from 'yaml';
import type { Host } from '../lib/host.ts';
import type { Cluster } from '../nodes/cluster.ts';
import type { Bundle } from './secrets.ts';

/**
 * A talosconfig (YAML, holds a client key, which is registered with the mask) that may do only what a role of Talos may: `os:etcd:backup`
 * takes snapshots and nothing else (siderolabs/talos:pkg/machinery/role/role.go). Made offline by the real `talosctl gen`, valid for
 * `hours`; endpoints are the control planes. Keys are on disk only in the scratch folder, for as long as it takes.
 */
export async function roleTalosconfig(host: Host, cluster: Cluster, bundle: Bundle, role: 'os:etcd:backup' | 'os:reader', hours: number): Promise<string> {
  const folder = await mkdtemp(join(host.scratch, 'role-'));
  try {
    const { certs } = parse(bundle.text) as { certs: { os: { crt: string; key: string } } };
    const keep = (name: string, base64: string): Promise<void> => writeFile(join(folder, name), Buffer.from(base64, 'base64'), { mode: 0o600 });
    await Promise.all([keep('ca.crt', certs.os.crt), keep('ca.key', certs.os.key)]);
    const talosctl = (...args: string[]) => host.run({ program: 'talosctl', args: ['gen', ...args], cwd: folder });
    await talosctl('key', '--name', 'role');
    // The request must name an address; it is a client's, so nobody looks at it.
    await talosctl('csr', '--key', 'role.key', '--ip', '127.0.0.1', '--roles', role);
    await talosctl('crt', '--ca', 'ca', '--csr', 'role.csr', '--name', 'role', '--hours', String(hours));
    const [crt, key] = [await readFile(join(folder, 'role.crt')), await readFile(join(folder, 'role.key'))];
    host.mask.add(key.toString('base64'));
    for (const line of key.toString().split('\n')) if (line !== '' && !line.startsWith('-----')) host.mask.add(line);
    const endpoints = cluster.nodes.filter((node) => node.role === 'control plane').map((node) => node.address);
    return stringify({ context: cluster.name, contexts: { [cluster.name]: { endpoints, ca: certs.os.crt, crt: crt.toString('base64'), key: key.toString('base64') } } }, { lineWidth: 0 });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
