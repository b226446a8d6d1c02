import { isIPv4 } from 'node:net';
import { Netmask } from 'netmask';
import { problem } from '../../lib/errors.ts';
import type { Cluster } from '../../nodes/cluster.ts';

/**
 * The one room of the lab's address plan: which address each host of an inventory has in the lab. On loopback an inventory's network
 * is laid onto 127.x, each host keeping the end of its address; in a network namespace of the rehearsal's own everything stays as it
 * is (`realAddresses`). Whatever the network does not hold or has only a name (a git host on the Internet) gets a free address there.
 */
export type AddressPlan = {
  /** The network, CIDR. */
  readonly subnet: string;
  /** The Kubernetes API's URL. */
  readonly endpoint: string;
  /** What stands in the lab's inventory for a host of the real one: the same each time it is asked. */
  host(real: string): string;
  /** The address at which the lab listens for a host of the real inventory. */
  address(real: string): string;
  /** An address of the network that stands for nobody yet. Throws `E_LAB_SUBNET` when there is none left. */
  free(): string;
  /** On loopback a port that needs no root: `22` becomes `2222`, 1024 and above stay. */
  port(real: number): number;
};

/** A plan that leaves every address, port and name as it is, and what a network namespace needs for it. */
export type RealPlan = AddressPlan & {
  /** Networks, CIDR, whose every address has to be the namespace's own. */
  readonly routes: readonly string[];
  /** What names stand for: the lines of a hosts file. */
  readonly names: ReadonlyMap<string, readonly string[]>;
};

type Declared = Pick<Cluster, 'network' | 'nodes' | 'power' | 'reader' | 'nas' | 'gitops'>;

/** Makes the plan of an inventory on loopback; `seed` (0…65535) chooses the network. Throws `E_LAB_SUBNET` for one wider than /16. */
export function planAddresses(cluster: Declared, seed: number): AddressPlan {
  const real = new Netmask(cluster.network.subnet);
  if (real.bitmask < 16) throw problem('E_LAB_SUBNET', `${cluster.network.subnet} is too wide for the lab`, 'On loopback a rehearsal takes networks of /16 and smaller.');
  const kept = real.bitmask >= 24 ? 1 : 2;
  const lead = ['127', String(128 + (seed >> 8) % 64), String(seed & 0xff)].slice(0, 4 - kept);
  const onLoopback = (address: string): string => [...lead, ...address.split('.').slice(-kept)].join('.');
  const subnet = `${onLoopback(real.base)}/${real.bitmask}`;
  const taken = new Set(hostsOf(cluster).filter((each) => isIPv4(each) && real.contains(each)).map(onLoopback));
  const free = drawer(cluster.network.subnet, subnet, taken);
  const allotted = new Map<string, string>();
  const host = (name: string): string => {
    if (isIPv4(name) && real.contains(name)) return onLoopback(name);
    const known = allotted.get(name) ?? free();
    allotted.set(name, known);
    return known;
  };
  return {
    subnet, free, host, address: host,
    endpoint: `https://${host(endpointHost(cluster))}:${new URL(cluster.network.endpoint).port}`,
    port: (number) => (number >= 1024 ? number : number + 2200),
  };
}

/**
 * Makes the plan that changes nothing, for a network namespace of the rehearsal's own. The endpoint's name stands for all control
 * planes there, as it would with the owner's name server. Throws `E_LAB_SUBNET` where the network has no address left for the lab.
 */
export function realAddresses(cluster: Declared): RealPlan {
  const { subnet, endpoint } = cluster.network;
  const real = new Netmask(subnet);
  const declared = hostsOf(cluster);
  const free = drawer(subnet, subnet, new Set(declared.filter(isIPv4)));
  const controlPlanes = cluster.nodes.filter((node) => node.role === 'control plane').map((node) => node.address);
  const { hostname, port } = new URL(endpoint);
  const names = new Map<string, readonly string[]>();
  for (const name of declared) if (!isIPv4(name)) names.set(name, name === hostname ? controlPlanes : names.get(name) ?? [free()]);
  return {
    subnet, free, names,
    routes: [subnet, ...new Set(declared.filter((each) => isIPv4(each) && !real.contains(each) && !each.startsWith('127.')).map((each) => `${each}/32`))],
    endpoint: isIPv4(hostname) ? `https://${endpointHost(cluster)}:${port}` : endpoint,
    host: (name) => name,
    address: (name) => (isIPv4(name) ? name : names.get(name)?.[0] ?? free()),
    port: (number) => number,
  };
}

/** Every host that an inventory names: addresses and names. */
function hostsOf(cluster: Declared): string[] {
  const { network, nodes, power, reader, nas, gitops } = cluster;
  return [
    ...nodes.map((node) => node.address), network.gateway, ...network.dns, ...network.ntp, new URL(network.endpoint).hostname,
    power?.address, reader?.host, nas?.address, gitops && new URL(gitops.url).hostname,
  ].filter((each) => each !== undefined);
}

/** The endpoint's address where it is one of the network, a node's or the control planes' virtual one; else the first control plane's. */
function endpointHost({ network, nodes }: Declared): string {
  const { hostname } = new URL(network.endpoint);
  if (isIPv4(hostname) && new Netmask(network.subnet).contains(hostname)) return hostname;
  return nodes.find((node) => node.role === 'control plane')?.address ?? '';
}

/** Draws addresses that nobody has from the end of a network; `named` is what to call it in an error. */
function drawer(named: string, subnet: string, taken: Set<string>): () => string {
  const block = new Netmask(subnet);
  return () => {
    for (let back = 1; back <= Math.min(block.size - 2, 4096); back += 1) {
      const address = lastOf(block, back);
      if (taken.has(address)) continue;
      taken.add(address);
      return address;
    }
    throw problem('E_LAB_SUBNET', `${named} has no address left for the lab`, 'The lab needs an address for each board’s DHCP, the image factory and every host outside the network.');
  };
}

/** The usable address that is `back` places from the end of a network. */
function lastOf(block: Netmask, back: number): string {
  const number = block.broadcast!.split('.').reduce((sum, part) => sum * 256 + Number(part), 0) - back;
  return [24, 16, 8, 0].map((shift) => (number >>> shift) & 0xff).join('.');
}
