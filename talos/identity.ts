import { FirstlightError } from '../lib/errors.ts';
import type { Host } from '../lib/host.ts';
import type { Cluster, ClusterNode } from '../nodes/cluster.ts';
import { mayPass } from './errors.ts';
import { greet } from './fingerprint.ts';
import { hostnameOf, links, macsOf, metaKeys } from './resources.ts';
import { NETWORK_KEY } from './meta-network.ts';
import { parseStamp, STAMP_KEY, type Stamp } from './stamp.ts';
import type { Access } from './talosctl.ts';

/** Answers that only a machine gives whose certificate this cluster did not issue for this address. */
const NOT_OURS: ReadonlySet<string> = new Set(['E_TALOS_OTHER_CLUSTER', 'E_TALOS_CERTIFICATE']);

/** What a machine tells of itself: MACs in lower case, physical links only; its card's stamp, and META's network key as it stands there, where there are any. */
type Told = { readonly macs: readonly string[]; readonly stamp?: Stamp; readonly network?: string };

/** Who a machine says it is, as read from the machine itself. */
export type Identity =
  /** Waits for its first config. `fingerprint` pins the certificate these facts were read behind. */
  | { readonly kind: 'maintenance'; readonly address: string; readonly fingerprint: string } & Told
  /** Runs a config of this cluster (both sides proved it by mutual TLS). */
  | { readonly kind: 'configured'; readonly address: string; readonly hostname: string } & Told
  /** Runs Talos with a certificate that this cluster did not issue, or none of ours is at hand to tell. */
  | { readonly kind: 'foreign'; readonly address: string; readonly name: string }
  /** Nobody answers, or not yet as a machine should. */
  | { readonly kind: 'silent'; readonly address: string; readonly seen: string };

/**
 * Asks the machine at an address who it is; changes nothing. `talosconfigPath` is this cluster's; without it a machine that
 * has a config is `foreign`. States that pass by themselves (restarting, port closed) are `silent` with what was seen.
 * The certificate is looked at before and after: facts read while it changed are thrown away. Throws `E_TALOS_…` for the rest.
 */
export async function identify(host: Host, _cluster: Cluster, address: string, talosconfigPath?: string): Promise<Identity> {
  const greeting = await greet(host, address);
  if (greeting.kind === 'silent') return { kind: 'silent', address, seen: greeting.seen };
  try {
    if (greeting.maintenance) {
      const facts = await factsOf(host, { address, mode: 'maintenance' });
      const again = await greet(host, address);
      const same = again.kind === 'talos' && again.fingerprint === greeting.fingerprint;
      if (!same) return { kind: 'silent', address, seen: 'its certificate changed while it was asked' };
      return { kind: 'maintenance', address, fingerprint: greeting.fingerprint, ...facts };
    }
    if (talosconfigPath === undefined) return { kind: 'foreign', address, name: greeting.name };
    const access: Access = { address, mode: 'secure', talosconfigPath };
    const hostname = await hostnameOf(host, access);
    if (hostname === undefined) return { kind: 'silent', address, seen: 'it has no hostname yet' };
    return { kind: 'configured', address, hostname, ...await factsOf(host, access) };
  } catch (error) {
    if (error instanceof FirstlightError && NOT_OURS.has(error.code)) return { kind: 'foreign', address, name: greeting.name };
    if (mayPass(error)) return { kind: 'silent', address, seen: (error as Error).message };
    throw error;
  }
}

/** The declared node a machine claims to be: by its stamp, its hostname, or where neither is told by its MAC. A claim is no proof. */
export function claimedNode(cluster: Cluster, identity: Identity): ClusterNode | undefined {
  if (identity.kind === 'silent' || identity.kind === 'foreign') return undefined;
  const byMac = cluster.nodes.find((node) => identity.macs.includes(node.mac));
  if (identity.kind === 'configured') return cluster.nodes.find((node) => node.name === identity.hostname) ?? byMac;
  const { stamp } = identity;
  if (stamp === undefined) return byMac;
  return stamp.cluster === cluster.name ? cluster.nodes.find((node) => node.name === stamp.node) : undefined;
}

async function factsOf(host: Host, access: Access): Promise<Told> {
  const [meta, macs] = [await metaKeys(host, access), macsOf(await links(host, access))];
  const [stamp, network] = [parseStamp(meta.get(STAMP_KEY)), meta.get(NETWORK_KEY)];
  return { macs, ...(stamp === undefined ? {} : { stamp }), ...(network === undefined ? {} : { network }) };
}
