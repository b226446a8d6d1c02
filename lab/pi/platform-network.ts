import { parse } from 'yaml';

/** What META's network key (0x0a) gives the board's wired link; addresses without their prefix length. */
export type PlatformNetwork = {
  readonly address: string | undefined;
  readonly hostname: string | undefined;
  readonly nameservers: readonly string[];
  readonly timeServers: readonly string[];
};

const NETWORK_KEY = 0x0a;
const NONE: PlatformNetwork = { address: undefined, hostname: undefined, nameservers: [], timeServers: [] };

type Item = Readonly<Record<string, unknown>>;

function items(value: unknown): readonly Item[] {
  return Array.isArray(value) ? value.filter((one): one is Item => typeof one === 'object' && one !== null) : [];
}

function texts(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.map(String) : [];
}

/**
 * The network that a board takes from META before (and beneath) any config, as siderolabs/talos:internal/app/machined/pkg/runtime/
 * v1alpha1/platform/metal does: only what is said of a link that the board has, by name or alternative name. DHCP is off there only
 * where the link itself is declared, so an address alone does not count here. A value that is no YAML is no network.
 */
export function platformNetwork(meta: ReadonlyMap<number, string>, mac: string): PlatformNetwork {
  const value = meta.get(NETWORK_KEY);
  if (value === undefined) return NONE;
  const names = ['end0', `enx${mac.replaceAll(':', '')}`];
  try {
    const read = parse(value) as Item | null;
    const declared = items(read?.['links']).some((link) => names.includes(String(link['name'])) && link['up'] === true);
    const own = items(read?.['addresses']).find((one) => names.includes(String(one['linkName'])) && one['family'] === 'inet4');
    return {
      address: declared && own !== undefined ? String(own['address']).split('/')[0] : undefined,
      hostname: items(read?.['hostnames']).map((one) => String(one['hostname']))[0],
      nameservers: items(read?.['resolvers']).flatMap((one) => texts(one['dnsServers'])),
      timeServers: items(read?.['timeServers']).flatMap((one) => texts(one['timeServers'])),
    };
  } catch {
    return NONE;
  }
}
