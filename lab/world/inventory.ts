import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parse, stringify } from 'yaml';
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
  readonly readerHostKey: string;
  readonly gitPath: string;
  /** The vault's address, and the file with its authority as seen from the cluster's folder. */
  readonly vault?: { readonly url: string; readonly ca: string };
  /** Age recipients, in the inventory's order. */
  readonly recipients: readonly string[];
};

type Plain = { [key: string]: Plain | Plain[] | unknown };

/**
 * Rewrites a copied `cluster.yaml` in place for the lab: same nodes, roles, MACs, versions and LUNs; addresses, ports and endpoint
 * by the plan; other host keys, cards and recipients, whose private halves are not ours. What the inventory lacks stays lacking.
 */
export async function rewriteInventory(folder: string, cluster: Cluster, plan: AddressPlan, to: Replacements): Promise<void> {
  const path = join(folder, 'cluster.yaml');
  const file = parse(await readFile(path, 'utf8')) as Plain & { nodes: Plain[]; network: Plain; talos: Plain; secrets: { recipients: Plain[] } };
  const { network } = cluster;
  Object.assign(file.network, {
    subnet: plan.subnet, gateway: plan.host(network.gateway), dns: network.dns.map(plan.host), ntp: network.ntp.map(plan.host),
    endpoint: plan.endpoint,
  });
  // The owner's places stay untouched: backups of the lab go beside its cluster.yaml.
  delete file['backup'];
  file.talos['factory'] = to.factory;
  delete file.talos['image'];
  cluster.nodes.forEach((node, index) => Object.assign(file.nodes[index]!, { address: plan.host(node.address), card: { device: to.cards.get(node.name) } }));
  if (cluster.power) Object.assign(file['switch'] as Plain, { address: plan.host(cluster.power.address), sshPort: plan.port(cluster.power.sshPort), hostKey: to.switchHostKey });
  if (cluster.reader) file['reader'] = { url: `ssh://${cluster.reader.user}@${plan.host(cluster.reader.host)}:${plan.port(cluster.reader.port)}`, hostKey: to.readerHostKey };
  if (cluster.nas) {
    Object.assign(file['nas'] as Plain, {
      address: plan.host(cluster.nas.address), port: plan.port(cluster.nas.port), iscsiPort: plan.port(cluster.nas.iscsiPort),
      // One that the owner's file says nothing of is asked for in the lab, too.
      ...(cluster.nas.certificate !== undefined || cluster.nas.ca !== undefined ? { certificate: to.nasCertificate } : {}),
    });
    delete (file['nas'] as Plain)['ca'];
  }
  if (cluster.gitops) {
    const { hostname, port, username } = new URL(cluster.gitops.url);
    Object.assign(file['gitops'] as Plain, { url: `ssh://${username || 'git'}@${plan.host(hostname)}:${plan.port(Number(port || 22))}${to.gitPath}`, hostKey: to.gitHostKey });
    delete (file['gitops'] as Plain)['host'];
  }
  if (cluster.vault && to.vault) Object.assign(file['vault'] as Plain, { url: to.vault.url, authority: to.vault.url, ca: to.vault.ca });
  to.recipients.forEach((key, index) => Object.assign(file.secrets.recipients[index]!, { key }));
  await writeWhole(path, stringify(file));
}
