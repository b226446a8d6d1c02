import { problem, type FirstlightError } from '../lib/errors.ts';
import type { Lun, Nas } from '../nodes/cluster.ts';
import type { DsmHost } from './dsm/hosts.ts';
import { markedFor, type DsmLun, type DsmVolume } from './dsm/luns.ts';
import type { DsmTarget } from './dsm/targets.ts';

/** What may differ between a declared LUN and the NAS. */
export type FindingKind =
  | 'lun absent' | 'lun smaller' | 'target absent' | 'not mapped' | 'chap off' | 'chap one-way' | 'few sessions' | 'target disabled' | 'initiator absent'
  | 'volume absent' | 'lun larger' | 'uuid absent' | 'other cluster' | 'name taken' | 'iqn taken' | 'mapped elsewhere' | 'in use' | 'chap differs'
  | 'initiator masked' | 'no login';

/**
 * One difference of one LUN. Where `refused` is set, firstlight must not mend it by itself (data or somebody else's
 * arrangement is at stake) and `refused` says what the owner is to do. `add` is what mends an absent initiator.
 */
export type StorageFinding = {
  readonly lun: string;
  readonly kind: FindingKind;
  readonly message: string;
  readonly refused?: FirstlightError;
  readonly add?: { readonly hostId: string; readonly iqn: string };
};

/** What the NAS holds, as listed. */
export type NasContents = {
  readonly volumes: readonly DsmVolume[];
  readonly luns: readonly DsmLun[];
  readonly targets: readonly DsmTarget[];
  readonly hosts: readonly DsmHost[];
};

/** On whose behalf: the cluster, how many nodes it has, and their IQNs by node name as far as they are known. */
export type Claimant = { readonly cluster: string; readonly nodes: number; readonly initiators: ReadonlyMap<string, string> };

/** A declared LUN beside what was found of it: the LUN by uuid where one is declared, else by name; the target by IQN. */
export type Match = { readonly lun: DsmLun | undefined; readonly target: DsmTarget | undefined };

/** The initiator name of firstlight's own look at the NAS: not a node's, so its sessions are told apart in SAN Manager. */
export const DESK_INITIATOR = 'iqn.2026-11.local.firstlight:desk';

/** Finds a declared LUN and its target on the NAS. IQNs are compared without regard to case (RFC 3722). */
export function match(contents: Pick<NasContents, 'luns' | 'targets'>, declared: Lun): Match {
  return {
    lun: contents.luns.find((lun) => (declared.uuid === undefined ? lun.name === declared.name : lun.uuid.toLowerCase() === declared.uuid)),
    target: contents.targets.find((target) => sameIqn(target.iqn, declared.iqn)),
  };
}

/** Whether two IQNs are one name (RFC 3722: without regard to case). */
export function sameIqn(one: string, other: string): boolean {
  return one.toLowerCase() === other.toLowerCase();
}

/** What of the LUN itself differs: absent, of another size, not the declared one, or another cluster's. Pure. */
export function lunFindings(nas: Pick<Nas, 'volume'>, contents: NasContents, declared: Lun, lun: DsmLun | undefined, cluster: string): readonly StorageFinding[] {
  if (!lun) return absentLun(nas.volume, contents, declared);
  const owner = markedFor(lun);
  if (owner !== undefined && owner !== cluster) {
    return [refusal(declared, 'other cluster', `it belongs to the cluster ${owner} (its description says so)`, 'E_STORAGE_OTHER_CLUSTER',
      `Two clusters writing one LUN destroy its data. Declare a LUN of another name; or, if ${owner} has really given it up, change the LUN’s description in SAN Manager → LUN → Edit.`)];
  }
  if (lun.size < declared.bytes) return [finding(declared, 'lun smaller', `it has ${lun.size} bytes, the cluster file says ${declared.bytes}`)];
  if (lun.size === declared.bytes) return [];
  return [refusal(declared, 'lun larger', `it has ${lun.size} bytes, the cluster file says ${declared.bytes}`, 'E_STORAGE_SHRINK',
    'A LUN is never made smaller: its data would be cut. Write its real size into the cluster file, or declare a LUN of another name.')];
}

function absentLun(volume: string, contents: NasContents, declared: Lun): readonly StorageFinding[] {
  if (declared.uuid !== undefined) {
    const namesake = contents.luns.find((lun) => lun.name === declared.name);
    const there = namesake === undefined ? `no LUN of that name either` : `the LUN of that name is ${namesake.uuid}`;
    return [refusal(declared, 'uuid absent', `the NAS has no LUN ${declared.uuid} (${there})`, 'E_STORAGE_UUID',
      'The cluster file names this very LUN, so no other is taken or made in its place. See `firstlight storage list`: correct the uuid, restore the LUN on the NAS, or take `uuid` out to begin with another.')];
  }
  if (contents.volumes.some((each) => each.path === volume)) return [finding(declared, 'lun absent', `there is no LUN ${declared.name}`)];
  const there = contents.volumes.map((each) => each.path).join(', ') || 'none';
  return [refusal(declared, 'volume absent', `the NAS has no volume ${volume} (it has: ${there})`, 'E_STORAGE_VOLUME', 'Name one of its volumes as `volume` of the NAS in the cluster file.')];
}

/** A difference that firstlight mends. */
export function finding(declared: Pick<Lun, 'name'>, kind: FindingKind, detail: string): StorageFinding {
  return { lun: declared.name, kind, message: `LUN ${declared.name}: ${detail}` };
}

/** A difference that its owner has to mend: `hint` says how. */
export function refusal(declared: Pick<Lun, 'name'>, kind: FindingKind, detail: string, code: string, hint: string): StorageFinding {
  const told = `LUN ${declared.name}: ${detail}`;
  return { lun: declared.name, kind, message: told, refused: problem(code, told, hint) };
}
