/**
 * The one room of the lab's address plan: an inventory's private network (`192.168.77.0/24`) is laid onto loopback
 * (`127.x.y.0/24`), each host keeping its last octet; ports below 1024 move up, since nobody needs root here.
 */
export type AddressPlan = {
  /** The loopback address that stands for an address of the inventory's subnet; others stay as they are. */
  address(real: string): string;
  /** The same for every address of the subnet that occurs in a text, as a whole word. */
  text(real: string): string;
  /** The subnet on loopback, CIDR. */
  readonly subnet: string;
  /** A port that needs no root: `22` becomes `2222`, 1024 and above stay. */
  port(real: number): number;
};

/** Makes the plan for a /24 (or smaller) subnet of an inventory; `seed` (0…65535) chooses the loopback network. */
export function planAddresses(realSubnet: string, seed: number): AddressPlan {
  const [network = '', bits = '24'] = realSubnet.split('/');
  const prefix = network.split('.').slice(0, 3).join('.');
  const [high, low] = [64 + ((seed >> 8) % 128), seed & 0xff];
  const target = `127.${high}.${low}`;
  const inside = new RegExp(`(?<![\\d.])${prefix.replaceAll('.', '\\.')}\\.(\\d{1,3})(?![\\d.]*\\d)`, 'g');
  const text = (real: string): string => real.replace(inside, `${target}.$1`);
  return { address: text, text, subnet: `${text(network)}/${bits}`, port: (real) => (real >= 1024 ? real : real + 2200) };
}
