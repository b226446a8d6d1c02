import { problem, type FirstlightError } from '../lib/errors.ts';
import type { Lun, Nas } from '../nodes/cluster.ts';
import type { DsmLun, DsmVolume } from './dsm/luns.ts';
import type { DsmTarget } from './dsm/targets.ts';

/** What may differ between a declared LUN and the NAS. */
export type FindingKind =
  | 'lun absent' | 'lun smaller' | 'target absent' | 'not mapped' | 'chap off' | 'one session' | 'target disabled'
  | 'volume absent' | 'lun larger' | 'name taken' | 'iqn taken' | 'mapped elsewhere' | 'chap differs' | 'no login';

/**
 * One difference of one LUN. Where `refused` is set, firstlight must not mend it by itself (data or somebody else's
 * arrangement is at stake) and `refused` says what the owner is to do.
 */
export type StorageFinding = { readonly lun: string; readonly kind: FindingKind; readonly message: string; readonly refused?: FirstlightError };

/** What the NAS holds, as listed. */
export type NasContents = { readonly volumes: readonly DsmVolume[]; readonly luns: readonly DsmLun[]; readonly targets: readonly DsmTarget[] };

/** A declared LUN beside what was found of it: the LUN by name, the target by IQN. */
export type Match = { readonly lun: DsmLun | undefined; readonly target: DsmTarget | undefined };

/** Finds a declared LUN and its target on the NAS. IQNs are compared without regard to case (RFC 3722). */
export function match(contents: NasContents, declared: Lun): Match {
  return {
    lun: contents.luns.find((lun) => lun.name === declared.name),
    target: contents.targets.find((target) => target.iqn.toLowerCase() === declared.iqn.toLowerCase()),
  };
}

/** All differences between the declared LUNs and the NAS, by what DSM lists; empty when there are none. Pure. */
export function compare(nas: Pick<Nas, 'luns' | 'volume'>, contents: NasContents): readonly StorageFinding[] {
  return nas.luns.flatMap((declared) => {
    const found = match(contents, declared);
    return [...lunFindings(nas.volume, contents, declared, found.lun), ...targetFindings(contents, declared, found)];
  });
}

function lunFindings(volume: string, contents: NasContents, declared: Lun, lun: DsmLun | undefined): readonly StorageFinding[] {
  if (!lun) {
    if (contents.volumes.some((each) => each.path === volume)) return [finding(declared, 'lun absent', `there is no LUN ${declared.name}`)];
    const there = contents.volumes.map((each) => each.path).join(', ') || 'none';
    return [refusal(declared, 'volume absent', `the NAS has no volume ${volume} (it has: ${there})`, 'E_STORAGE_VOLUME', 'Name one of its volumes as `volume` of the NAS in the cluster file.')];
  }
  if (lun.size < declared.bytes) return [finding(declared, 'lun smaller', `it has ${lun.size} bytes, the cluster file says ${declared.bytes}`)];
  if (lun.size === declared.bytes) return [];
  return [refusal(declared, 'lun larger', `it has ${lun.size} bytes, the cluster file says ${declared.bytes}`, 'E_STORAGE_SHRINK',
    'A LUN is never made smaller: its data would be cut. Write its real size into the cluster file, or declare a LUN of another name.')];
}

function targetFindings(contents: NasContents, declared: Lun, { lun, target }: Match): readonly StorageFinding[] {
  const others = contents.targets.filter((each) => each !== target && lun !== undefined && each.mapped_luns.some((mapped) => mapped.lun_uuid === lun.uuid));
  const elsewhere = others.map((other) => refusal(declared, 'mapped elsewhere', `the target ${other.iqn} shows this LUN too`, 'E_STORAGE_SHARED',
    'Two targets for one LUN mean two machines writing over each other: in SAN Manager take the LUN off the target that is not of this cluster, or declare a LUN of another name.'));
  if (!target) {
    const namesake = contents.targets.find((each) => each.name === declared.name);
    if (!namesake) return [...elsewhere, finding(declared, 'target absent', `there is no target ${declared.iqn}`)];
    return [...elsewhere, refusal(declared, 'name taken', `a target named ${declared.name} has the IQN ${namesake.iqn}, the cluster file says ${declared.iqn}`, 'E_STORAGE_NAME',
      'Write that IQN into the cluster file to adopt the target, or rename the target in SAN Manager.')];
  }
  return [...elsewhere, ...mappingFindings(declared, lun, target), ...accessFindings(declared, target)];
}

function mappingFindings(declared: Lun, lun: DsmLun | undefined, target: DsmTarget): readonly StorageFinding[] {
  if (lun && target.mapped_luns.some((mapped) => mapped.lun_uuid === lun.uuid)) return [];
  if (target.mapped_luns.length === 0) return [finding(declared, 'not mapped', `the target ${target.iqn} shows no LUN`)];
  return [refusal(declared, 'iqn taken', `the target ${target.iqn} shows another LUN (${target.mapped_luns.map((mapped) => mapped.lun_uuid).join(', ')})`, 'E_STORAGE_IQN',
    'Give the LUN an IQN of its own in the cluster file, or take the other LUN off the target in SAN Manager.')];
}

function accessFindings(declared: Lun, target: DsmTarget): readonly StorageFinding[] {
  const findings: StorageFinding[] = [];
  if (target.auth_type === 0) findings.push(finding(declared, 'chap off', `the target ${target.iqn} lets anybody in without CHAP`));
  else if (target.user !== declared.user) {
    findings.push(refusal(declared, 'chap differs', `the target ${target.iqn} has the CHAP user ${target.user || '(none)'}, the cluster file says ${declared.user}`, 'E_STORAGE_CHAP_USER',
      'Whoever uses that target would be locked out: write its CHAP user and secret into the cluster file and the credentials, or change them in SAN Manager.'));
  }
  if (target.max_sessions === 1) findings.push(finding(declared, 'one session', `the target ${target.iqn} allows one session only (max_sessions 1)`));
  if (!target.is_enabled) findings.push(finding(declared, 'target disabled', `the target ${target.iqn} is switched off`));
  return findings;
}

function finding(declared: Lun, kind: FindingKind, detail: string): StorageFinding {
  return { lun: declared.name, kind, message: `LUN ${declared.name}: ${detail}` };
}

function refusal(declared: Lun, kind: FindingKind, detail: string, code: string, hint: string): StorageFinding {
  const told = `LUN ${declared.name}: ${detail}`;
  return { lun: declared.name, kind, message: told, refused: problem(code, told, hint) };
}
