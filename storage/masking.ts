import type { Lun } from '../nodes/cluster.ts';
import type { DsmHost } from './dsm/hosts.ts';
import { refusal, sameIqn, type Claimant, type Match, type NasContents, type StorageFinding } from './findings.ts';

/**
 * Who may log in to a LUN's target besides CHAP. `open`: the NAS shows no masking for it. `acl`: DSM 6, by the target's own
 * list. `hosts`: DSM 7, by SAN Manager's hosts that may write the LUN.
 */
export type Masking =
  | { readonly kind: 'open' }
  | { readonly kind: 'acl'; readonly allowed: readonly string[] }
  | { readonly kind: 'hosts'; readonly allowed: readonly string[]; readonly writers: readonly DsmHost[] };

/** DSM's entry for everybody else in a target's list (seen in DSM 6's answers and its kernel's target). */
const EVERYBODY = 'iqn.2000-01.com.synology:default.acl';
/** Talos's initiator names (siderolabs/talos: iqn.2017-11.dev.talos:<machine id>, new with each card). */
const OF_TALOS = /^iqn\.2017-11\.dev\.talos:/i;

/** The masking that the NAS shows for a LUN. Pure. */
export function maskingOf(contents: Pick<NasContents, 'hosts'>, { lun, target }: Match): Masking {
  const everybody = target?.acls.find((entry) => sameIqn(entry.iqn, EVERYBODY));
  if (target && everybody) {
    if (everybody.permission === 'rw') return { kind: 'open' };
    return { kind: 'acl', allowed: target.acls.filter((entry) => entry !== everybody && entry.permission === 'rw').map((entry) => entry.iqn) };
  }
  const holders = contents.hosts.filter((host) => host.acls.some((entry) => entry.lun_uuid === lun?.uuid));
  if (holders.length === 0) return { kind: 'open' };
  const writers = holders.filter((host) => host.acls.some((entry) => entry.lun_uuid === lun?.uuid && entry.permission === 'rw'));
  return { kind: 'hosts', allowed: writers.flatMap((host) => host.initiator_ids), writers };
}

/** Nodes whose IQN the masking leaves out: added to the host that is theirs where there is one, else told with the clicks. Pure. */
export function maskingFindings(contents: NasContents, declared: Lun, found: Match, claimant: Claimant): readonly StorageFinding[] {
  const masking = maskingOf(contents, found);
  if (masking.kind === 'open') return [];
  const missing = [...claimant.initiators].filter(([, iqn]) => !masking.allowed.some((allowed) => sameIqn(allowed, iqn)));
  return missing.map(([node, iqn]) => {
    const host = masking.kind === 'hosts' ? hostFor(masking.writers, node) : undefined;
    if (!host) return masked(declared, node, iqn, masking.kind === 'acl' ? found.target?.name : undefined);
    return { lun: declared.name, kind: 'initiator absent', message: `LUN ${declared.name}: ${node} (${iqn}) is not among the initiators of the host ${host.name || host.host_id}`, add: { hostId: host.host_id, iqn } };
  });
}

/** The refusal for a node that the masking leaves out, with what to click. `target` where DSM 6's own list decides. */
export function masked(declared: Pick<Lun, 'name'>, node: string, iqn: string, target?: string): StorageFinding {
  const clicks = target === undefined
    ? `In SAN Manager → Host, open the host that may write LUN ${declared.name} (or make one for ${node} and give it Read/Write on the LUN) → Edit → Initiators, and add ${iqn}`
    : `In iSCSI Manager → Target → ${target} → Edit → Masking, add ${iqn} with Read/Write`;
  return refusal(declared, 'initiator masked', `${node} (${iqn}) may not use it: the NAS lets only named initiators in`, 'E_STORAGE_MASKED',
    `${clicks}; then run again. A node has a new IQN with each new card. Or let all initiators in: CHAP still asks each for the secret.`);
}

/** IQNs of Talos nodes that the masking still lets in and that are no node of this cluster any more: what to click. Pure. */
export function maskingNotes(contents: NasContents, declared: Lun, found: Match, claimant: Claimant): readonly string[] {
  const masking = maskingOf(contents, found);
  if (masking.kind === 'open' || claimant.initiators.size < claimant.nodes) return [];
  const current = [...claimant.initiators.values()];
  const stale = masking.allowed.filter((iqn) => OF_TALOS.test(iqn) && !current.some((each) => sameIqn(each, iqn)));
  return stale.map((iqn) => `LUN ${declared.name}: ${iqn} is no node of this cluster (any more), yet may still use it: take it out in ${masking.kind === 'acl' ? `iSCSI Manager → Target → ${found.target?.name ?? ''} → Edit → Masking` : 'SAN Manager → Host → Edit → Initiators'}`);
}

/** The host named like the node, else the only one that may write the LUN. */
function hostFor(writers: readonly DsmHost[], node: string): DsmHost | undefined {
  return writers.find((host) => host.name === node) ?? (writers.length === 1 ? writers[0] : undefined);
}
