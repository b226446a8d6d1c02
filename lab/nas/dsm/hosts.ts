import type { NasState, TargetState } from '../state.ts';
import { DsmRefusal, list, text, type Parameters } from './parameters.ts';

/** DSM's entry for everybody in a target's masking list. */
const EVERYBODY = 'iqn.2000-01.com.synology:default.acl';

/** A host of DSM 7's SAN Manager: initiators that may write the named LUNs. */
export type HostState = { readonly hostId: string; readonly name: string; initiators: readonly string[]; readonly luns: readonly string[] };

/** SYNO.Core.ISCSI.Host `list`. */
export function listHosts(state: NasState): unknown {
  return { hosts: state.hosts.map((host) => ({
    host_id: host.hostId, name: host.name, initiator_ids: host.initiators, acls: host.luns.map((uuid) => ({ lun_uuid: uuid, permission: 'rw' })),
  })) };
}

/** SYNO.Core.ISCSI.Host `map_initiator`: adds; with the fault `replace initiators` it takes the new ones in place of the others. */
export function mapInitiator(state: NasState, parameters: Parameters): unknown {
  const host = state.hosts.find((each) => each.hostId === text(parameters, 'host_id', 18990004));
  if (!host) throw new DsmRefusal(18990004);
  const added = list(parameters, 'initiator_ids', 18990004).map(String);
  host.initiators = state.fault?.kind === 'replace initiators' ? added : [...new Set([...host.initiators, ...added])];
  return {};
}

/** What a target's `acls` shows: DSM 6's masking; nothing with DSM 7. */
export function shownAcls(state: NasState, target: TargetState): readonly object[] {
  if (state.options.dsm !== 6) return [];
  const named = (target.allowed ?? []).map((iqn) => ({ iqn, permission: 'rw' }));
  return [{ iqn: EVERYBODY, permission: target.allowed === undefined ? 'rw' : 'none' }, ...named];
}

/** Whether masking lets an initiator log in to a target: named in the target's list (DSM 6), or a host's that may write one of its LUNs (DSM 7). */
export function letsIn(state: NasState, target: TargetState, initiator: string): boolean {
  if (state.options.dsm === 6) return target.allowed?.includes(initiator) ?? true;
  const holders = state.hosts.filter((host) => host.luns.some((uuid) => target.mapped.some((mapped) => mapped.uuid === uuid)));
  return holders.length === 0 || holders.some((host) => host.initiators.includes(initiator));
}
