import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseDocument } from 'yaml';
import { writeWhole } from '../../lib/files.ts';
import type { Cluster } from '../../nodes/cluster.ts';
import type { AddressPlan } from './addresses.ts';

/** What of an inventory the lab puts in place of the real: addresses by plan, and these. */
export type Replacements = {
  readonly factory: string;
  /** Card file by node name. */
  readonly cards: ReadonlyMap<string, string>;
  readonly switchHostKey: string;
  readonly nasCertificate: string;
  readonly gitHostKey: string;
  readonly gitPath: string;
  /** Age recipients, in the inventory's order. */
  readonly recipients: readonly string[];
};

/**
 * Rewrites a copied `cluster.yaml` in place for the lab: same nodes, roles, MACs, versions and LUNs; other addresses, ports,
 * host keys and recipients. What the inventory lacks stays lacking.
 */
export async function rewriteInventory(folder: string, cluster: Cluster, plan: AddressPlan, to: Replacements): Promise<void> {
  const path = join(folder, 'cluster.yaml');
  const document = parseDocument(plan.text(await readFile(path, 'utf8')));
  const set = (at: readonly (string | number)[], value: unknown): void => document.setIn(at, value);
  set(['network', 'subnet'], plan.subnet);
  set(['talos', 'factory'], to.factory);
  cluster.nodes.forEach((node, index) => set(['nodes', index, 'card'], document.createNode({ device: to.cards.get(node.name) })));
  if (cluster.power) {
    set(['switch', 'sshPort'], plan.port(cluster.power.sshPort));
    set(['switch', 'hostKey'], to.switchHostKey);
  }
  if (cluster.nas) {
    set(['nas', 'port'], plan.port(cluster.nas.port));
    set(['nas', 'iscsiPort'], plan.port(cluster.nas.iscsiPort));
    if (cluster.nas.https) set(['nas', 'certificate'], to.nasCertificate);
  }
  if (cluster.gitops) {
    const url = new URL(plan.text(cluster.gitops.url));
    url.port = String(plan.port(Number(url.port || 22)));
    url.pathname = to.gitPath;
    set(['gitops', 'url'], url.href);
    set(['gitops', 'hostKey'], to.gitHostKey);
  }
  to.recipients.forEach((key, index) => set(['secrets', 'recipients', index, 'key'], key));
  await writeWhole(path, document.toString());
}
