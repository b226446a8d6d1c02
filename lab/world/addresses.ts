import { isIPv4 } from 'node:net';
import { Netmask } from 'netmask';
import { problem } from '../../lib/errors.ts';
import type { Cluster } from '../../nodes/cluster.ts';

/**
 * The one room of the lab's address plan: an inventory's network is laid onto loopback, each host keeping the end of its
 * address; whatever lies outside it or has only a name (a git host on the Internet) gets a free address there. No address of
 * the plan is anything but loopback, so nothing real can be reached by it.
 */
export type AddressPlan = {
  /** The network on loopback, CIDR. */
  readonly subnet: string;
  /** The loopback address that stands for a host of the inventory; the same each time it is asked. */
  host(real: string): string;
  /** An address of the network that stands for nobody yet. Throws `E_LAB_SUBNET` when there is none left. */
  free(): string;
  /** A port that needs no root: `22` becomes `2222`, 1024 and above stay. */
  port(real: number): number;
};

/** Makes the plan of an inventory; `seed` (0…65535) chooses the loopback network. Throws `E_LAB_SUBNET` for one wider than /16. */
export function planAddresses(cluster: Pick<Cluster, 'network' | 'nodes' | 'power' | 'reader' | 'nas'>, seed: number): AddressPlan {
  const real = new Netmask(cluster.network.subnet);
  if (real.bitmask < 16) throw problem('E_LAB_SUBNET', `${cluster.network.subnet} is too wide for the lab`, 'A rehearsal takes networks of /16 and smaller.');
  const kept = real.bitmask >= 24 ? 1 : 2;
  const lead = ['127', String(128 + (seed >> 8) % 64), String(seed & 0xff)].slice(0, 4 - kept);
  const onLoopback = (address: string): string => [...lead, ...address.split('.').slice(-kept)].join('.');
  const subnet = `${onLoopback(real.base)}/${real.bitmask}`;
  const declared = [...cluster.nodes.map((node) => node.address), cluster.network.gateway, cluster.power?.address, cluster.reader?.host, cluster.nas?.address, new URL(cluster.network.endpoint).hostname];
  const taken = new Set(declared.filter((each) => each !== undefined && isIPv4(each) && real.contains(each)).map((each) => onLoopback(each!)));
  const allotted = new Map<string, string>();
  const free = (): string => {
    for (let back = 1; back <= Math.min(real.size - 2, 4096); back += 1) {
      const address = lastOf(subnet, back);
      if (taken.has(address)) continue;
      taken.add(address);
      return address;
    }
    throw problem('E_LAB_SUBNET', `${cluster.network.subnet} has no address left for the lab`, 'The lab needs an address for each board’s DHCP, the image factory and every host outside the network.');
  };
  return {
    subnet, free,
    port: (number) => (number >= 1024 ? number : number + 2200),
    host(name) {
      if (isIPv4(name) && real.contains(name)) return onLoopback(name);
      const known = allotted.get(name) ?? free();
      allotted.set(name, known);
      return known;
    },
  };
}

/** The usable address that is `back` places from the end of a network. */
function lastOf(subnet: string, back: number): string {
  const block = new Netmask(subnet);
  const number = block.broadcast!.split('.').reduce((sum, part) => sum * 256 + Number(part), 0) - back;
  return [24, 16, 8, 0].map((shift) => (number >>> shift) & 0xff).join('.');
}
