import { join } from 'node:path';
import { writeWhole } from '../lib/files.ts';
import type { Host } from '../lib/host.ts';
import type { Cluster, ClusterNode } from '../nodes/cluster.ts';
import type { Credentials } from '../nodes/credentials.ts';
import type { FoundLun } from '../storage/look.ts';
import { schematicId, schematicYaml } from '../talos/schematic.ts';
import { installImage, machineConfig, talosconfig } from '../talos/config.ts';
import { openBundle, type Bundle } from '../talos/secrets.ts';
import type { Access } from '../talos/talosctl.ts';
import { openCredentials } from './credentials.ts';

/**
 * What the steps of one run share: things opened once (decrypted secrets, settings files in the scratch folder) and where
 * boards were found. Nothing here outlives the run; all of it is made again from the cluster's folder and the machines.
 */
export type Facts = {
  readonly cluster: Cluster;
  readonly lockFile: string;
  /** Path of the kubeconfig in the scratch folder, written by the kubeconfig step. */
  readonly kubeconfig: string;
  readonly schematic: { readonly yaml: string; readonly id: string };
  bundle(host: Host): Promise<Bundle>;
  credentials(host: Host): Promise<Credentials>;
  /** Forgets the bundle, and what was made of it, after another was put in its place. */
  forgetBundle(): void;
  /** Forgets the credentials after they were changed. */
  forgetCredentials(): void;
  /** Path of a talosconfig in the scratch folder. */
  talosconfig(host: Host): Promise<string>;
  /** Mutual TLS to the node at its declared address. */
  access(host: Host, node: ClusterNode): Promise<Access>;
  /** Path of the node's machine config in the scratch folder (0600). */
  machineConfig(host: Host, node: ClusterNode): Promise<string>;
  /** The nonce of the card that a node is to run from, by node name: an older card is refused. Written by this run, or known from the lock file (`recallCards`). */
  readonly nonces: Map<string, string>;
  /** When the rebuild began that gave a node its card (ISO 8601), by node name, as far as the lock file tells. */
  readonly rebuilt: Map<string, string>;
  /** Who vouches that a node's old board is off, by node name: said once a run. */
  readonly fences: Map<string, Vouch>;
  /** IQN of each node's iSCSI initiator by node name, as read from the node (a new card gives a new one); empty until then. */
  readonly initiators: Map<string, string>;
  /** The declared LUNs as the storage step found them on the NAS, by name; empty until then. */
  readonly luns: Map<string, FoundLun>;
  /** Addresses at which boards in maintenance mode were proven, by node name. */
  readonly found: Map<string, { readonly address: string; readonly fingerprint: string }>;
};

/** Who vouches for a fence, and in words for people (a line that begins with ! is to be said loudly). */
export type Vouch = { readonly by: 'switch' | 'person' | 'new card'; readonly text: string };

/** Facts of a cluster, nothing opened yet. `scratch` is the host's private folder. */
export function createFacts(cluster: Cluster, scratch: string): Facts {
  const yaml = schematicYaml(cluster.talos.schematic);
  const id = schematicId(yaml);
  const once = new Map<string, Promise<unknown>>();
  const single = <T>(key: string, make: () => Promise<T>): Promise<T> => {
    let made = once.get(key) as Promise<T> | undefined;
    if (!made) {
      made = make();
      once.set(key, made);
      made.catch(() => once.delete(key));
    }
    return made;
  };
  const facts: Facts = {
    cluster,
    lockFile: join(cluster.folder, 'firstlight.lock.yaml'),
    kubeconfig: join(scratch, 'kubeconfig'),
    schematic: { yaml, id },
    initiators: new Map(),
    luns: new Map(),
    found: new Map(),
    nonces: new Map(),
    rebuilt: new Map(),
    fences: new Map(),
    bundle: (host) => single('bundle', () => openBundle(host, cluster)),
    credentials: (host) => single('credentials', () => openCredentials(host, cluster)),
    forgetBundle: () => once.clear(),
    forgetCredentials: () => void once.delete('credentials'),
    talosconfig: (host) => single('talosconfig', async () => {
      const path = join(scratch, 'talosconfig');
      await writeWhole(path, await talosconfig(host, cluster, await facts.bundle(host)), 0o600);
      return path;
    }),
    access: async (host, node) => ({ address: node.address, mode: 'secure', talosconfigPath: await facts.talosconfig(host) }),
    machineConfig: (host, node) => single(`config ${node.name}`, async () => {
      const path = join(scratch, `${node.name}.yaml`);
      const image = installImage(cluster.talos.version, id);
      await writeWhole(path, await machineConfig(host, cluster, node, await facts.bundle(host), { installImage: image }), 0o600);
      return path;
    }),
  };
  return facts;
}
