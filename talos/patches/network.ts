import { Netmask } from 'netmask';
import type { Cluster, ClusterNode } from '../../nodes/cluster.ts';
import { document, type PatchDocument } from './document.ts';

/** The name that Talos 1.12 and later give the board's one wired link. */
export const LINK = 'lan0';

/**
 * The address that the control planes share for the Kubernetes API (Talos's layer 2 VIP): the endpoint's, when it is an
 * address of the subnet and no node's own. Undefined otherwise, and for an endpoint that is a name.
 */
export function virtualAddress(cluster: Cluster): string | undefined {
  const address = endpointHost(cluster);
  if (!/^\d+\.\d+\.\d+\.\d+$/.test(address)) return undefined;
  if (!new Netmask(cluster.network.subnet).contains(address)) return undefined;
  return cluster.nodes.some((node) => node.address === address) ? undefined : address;
}

/** The host of the Kubernetes API's URL: an address or a name. */
export function endpointHost(cluster: Cluster): string {
  return new URL(cluster.network.endpoint).hostname;
}

/** The network of a node for Talos 1.11: fields of the v1alpha1 document (`machine.network`). */
export function networkFields(cluster: Cluster, node: ClusterNode): PatchDocument {
  const vip = node.role === 'control plane' ? virtualAddress(cluster) : undefined;
  return {
    hostname: node.name,
    interfaces: [{
      deviceSelector: { hardwareAddr: node.mac },
      dhcp: false,
      addresses: [withPrefix(cluster, node)],
      routes: [{ network: '0.0.0.0/0', gateway: cluster.network.gateway }],
      ...(vip === undefined ? {} : { vip: { ip: vip } }),
    }],
    ...(cluster.network.dns.length === 0 ? {} : { nameservers: cluster.network.dns }),
  };
}

/** The network of a node for Talos 1.12 and later: documents of their own (siderolabs/talos:pkg/machinery/config/types/network). */
export function networkDocuments(cluster: Cluster, node: ClusterNode): readonly PatchDocument[] {
  const vip = node.role === 'control plane' ? virtualAddress(cluster) : undefined;
  return [
    document('HostnameConfig', { hostname: node.name, auto: 'off' }),
    document('LinkAliasConfig', { name: LINK, selector: { match: `mac(link.permanent_addr) == "${node.mac}"` } }),
    document('LinkConfig', {
      name: LINK, up: true,
      addresses: [{ address: withPrefix(cluster, node) }],
      routes: [{ gateway: cluster.network.gateway }],
    }),
    ...(cluster.network.dns.length === 0 ? [] : [document('ResolverConfig', { nameservers: cluster.network.dns.map((address) => ({ address })) })]),
    ...(vip === undefined ? [] : [document('Layer2VIPConfig', { name: vip, link: LINK })]),
  ];
}

function withPrefix(cluster: Cluster, node: ClusterNode): string {
  return `${node.address}/${new Netmask(cluster.network.subnet).bitmask}`;
}
