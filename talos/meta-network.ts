import { Netmask } from 'netmask';
import { parse, stringify } from 'yaml';
import type { Cluster, ClusterNode } from '../nodes/cluster.ts';

/** The META key of a network that is there before any config: MetalNetworkPlatformConfig of siderolabs/talos:pkg/machinery/meta/constants.go. */
export const NETWORK_KEY = 0x0a;

const OURS = '# Written by firstlight';

/**
 * The value of META's network key for a node whose network is static, else undefined: its address, route, name and time servers and
 * name as PlatformConfigSpec (siderolabs/talos:pkg/machinery/resources/network/platform_config.go; before 1.12 PlatformNetworkConfig of
 * internal/app/machined/pkg/runtime/platform.go). Talos then has the address already in maintenance mode, and asks no DHCP server on
 * that link. The link is named after its MAC: udev gives every wired link that name, as its own or as an alternative
 * (hack/udevd/99-default.link), and Talos finds a link by either (controllers/network/link_spec.go). So a card in
 * another board sets nothing there.
 */
export function networkValue(cluster: Cluster, node: ClusterNode): string | undefined {
  if (cluster.network.maintenance !== 'static') return undefined;
  const { subnet, gateway, dns, ntp } = cluster.network;
  const layer = 'platform';
  const linkName = linkNameOf(node.mac);
  const value = {
    addresses: [{ address: `${node.address}/${new Netmask(subnet).bitmask}`, linkName, family: 'inet4', scope: 'global', flags: 'permanent', layer }],
    links: [{ name: linkName, logical: false, up: true, mtu: 0, kind: '', type: 'ether', layer }],
    routes: [{ family: 'inet4', dst: '', src: '', gateway, outLinkName: linkName, table: 'main', priority: 1024, scope: 'global', type: 'unicast', flags: '', protocol: 'static', layer }],
    hostnames: [{ hostname: node.name, domainname: '', layer }],
    resolvers: dns.length === 0 ? [] : [{ dnsServers: dns, layer }],
    timeServers: ntp.length === 0 ? [] : [{ timeServers: ntp, layer }],
    operators: [],
    externalIPs: [],
  };
  return `${OURS}: the network of ${node.name} before its first config.\n${stringify(value, { version: '1.1', lineWidth: 0 })}`;
}

/** The name udev makes of a link's MAC (systemd.net-naming-scheme(7), prefix `x`). */
function linkNameOf(mac: string): string {
  return `enx${mac.replaceAll(':', '')}`;
}

/**
 * Whether META's network key must be changed for a node: to what it is (`write`), or away (`delete`); undefined where it is right.
 * A value that firstlight did not write is its owner's: it is left alone where the inventory's network is not static.
 */
export function networkChange(wanted: string | undefined, there: string | undefined): { readonly write: string } | 'delete' | undefined {
  if (wanted !== undefined) return wanted === there ? undefined : { write: wanted };
  return there?.startsWith(OURS) ? 'delete' : undefined;
}

/** What a network key says, for people: the addresses with their links; undefined where it is no such document. Never throws. */
export function parseNetwork(value: string | undefined): { readonly addresses: readonly string[]; readonly gateways: readonly string[] } | undefined {
  if (value === undefined) return undefined;
  try {
    const read = parse(value) as { addresses?: readonly { address?: unknown }[]; routes?: readonly { gateway?: unknown }[] } | null;
    const addresses = (read?.addresses ?? []).map((one) => one.address).filter((one) => typeof one === 'string');
    const gateways = (read?.routes ?? []).map((one) => one.gateway).filter((one) => typeof one === 'string' && one !== '') as string[];
    return addresses.length === 0 ? undefined : { addresses, gateways };
  } catch {
    return undefined;
  }
}
