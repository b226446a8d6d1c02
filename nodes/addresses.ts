import { Netmask, ip2long } from 'netmask';
import { problem } from '../lib/errors.ts';

/** What is wrong with a text, and what to write instead. */
export type Complaint = { readonly code: string; readonly message: string; readonly hint: string };

const DOTTED = /^\d{1,3}(\.\d{1,3}){3}$/;

/** Judges a dotted IPv4 address; undefined when it is one. Stricter than netmask, which reads `010` as octal and fills up short forms. */
export function addressComplaint(text: string): Complaint | undefined {
  if (!DOTTED.test(text)) {
    return { code: 'E_INVENTORY_ADDRESS', message: `"${text}" is not a dotted IPv4 address`, hint: 'Write four numbers from 0 to 255, like 192.168.77.11.' };
  }
  const parts = text.split('.');
  if (parts.some((part) => part.length > 1 && part.startsWith('0'))) {
    const plain = parts.map((part) => String(Number.parseInt(part, 10))).join('.');
    return { code: 'E_INVENTORY_ADDRESS_ZERO', message: `"${text}" has a number with a leading zero, which some programs read as octal`, hint: `Write ${plain}.` };
  }
  if (parts.some((part) => Number(part) > 255)) {
    return { code: 'E_INVENTORY_ADDRESS', message: `"${text}" has a number above 255`, hint: 'Each of the four numbers goes from 0 to 255.' };
  }
  return undefined;
}

/** Judges a subnet in CIDR form (`192.168.77.0/24`, prefix 8 to 30, no host bits); undefined when it is one. */
export function subnetComplaint(text: string): Complaint | undefined {
  const [address = '', prefix, ...rest] = text.split('/');
  if (prefix === undefined || rest.length > 0 || !/^[1-9]\d?$/.test(prefix)) {
    return { code: 'E_INVENTORY_SUBNET', message: `"${text}" is not a subnet`, hint: 'Write it as network/prefix, like 192.168.77.0/24.' };
  }
  const complaint = addressComplaint(address);
  if (complaint !== undefined) return complaint;
  if (Number(prefix) < 8 || Number(prefix) > 30) {
    return { code: 'E_INVENTORY_SUBNET', message: `a /${prefix} is no subnet for a cluster`, hint: 'Use a prefix from 8 to 30; most home networks are a /24.' };
  }
  const network = new Netmask(text);
  if (network.base !== address) {
    return { code: 'E_INVENTORY_SUBNET_HOST_BITS', message: `"${text}" is an address inside a subnet, not a subnet`, hint: `Write ${network.base}/${prefix}.` };
  }
  return undefined;
}

/** True when the address is in the subnet; both well formed. */
export function isInside(address: string, subnet: string): boolean {
  return new Netmask(subnet).contains(address);
}

/** What an address is in its subnet; both well formed. */
export function placeInSubnet(address: string, subnet: string): 'host' | 'network' | 'broadcast' | 'outside' {
  const network = new Netmask(subnet);
  if (!network.contains(address)) return 'outside';
  if (address === network.base) return 'network';
  return address === network.broadcast ? 'broadcast' : 'host';
}

/** True when two subnets share an address. */
export function overlap(one: string, other: string): boolean {
  return new Netmask(one).contains(new Netmask(other).base) || new Netmask(other).contains(new Netmask(one).base);
}

/** Every host address of a subnet, in order. Throws `E_DISCOVER_WIDE` for more than 4,094 hosts (wider than /20). */
export function subnetAddresses(cidr: string): string[] {
  const complaint = subnetComplaint(cidr);
  if (complaint !== undefined) throw problem(complaint.code, complaint.message, complaint.hint);
  const network = new Netmask(cidr);
  if (network.bitmask < 20) {
    throw problem('E_DISCOVER_WIDE', `${cidr} has ${network.size} addresses, too many to look at one by one`, 'Name the nodes\' addresses, or declare a subnet of /20 or narrower.');
  }
  const first = ip2long(network.first);
  return Array.from({ length: network.size - 2 }, (_, i) => dotted(first + i));
}

function dotted(long: number): string {
  return [long >>> 24, (long >>> 16) & 255, (long >>> 8) & 255, long & 255].join('.');
}
