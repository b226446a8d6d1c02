import type { Lun } from '../nodes/cluster.ts';
import type { DsmLun } from './dsm/luns.ts';
import type { DsmTarget } from './dsm/targets.ts';
import { DESK_INITIATOR, finding, refusal, sameIqn, type Claimant, type Match, type NasContents, type StorageFinding } from './findings.ts';

/** What of the LUN's target differs: absent, another's, not mapped, without CHAP, too few sessions, switched off. Pure. */
export function targetFindings(contents: NasContents, declared: Lun, { lun, target }: Match, claimant: Claimant): readonly StorageFinding[] {
  const others = contents.targets.filter((each) => each !== target && lun !== undefined && each.mapped_luns.some((mapped) => mapped.lun_uuid === lun.uuid));
  const elsewhere = others.map((other) => refusal(declared, 'mapped elsewhere', `the target ${other.iqn} shows this LUN too`, 'E_STORAGE_SHARED',
    'Two targets for one LUN mean two machines writing over each other: in SAN Manager take the LUN off the target that is not of this cluster, or declare a LUN of another name.'));
  if (!target) {
    const namesake = contents.targets.find((each) => each.name === declared.name);
    if (!namesake) return [...elsewhere, finding(declared, 'target absent', `there is no target ${declared.iqn}`)];
    return [...elsewhere, refusal(declared, 'name taken', `a target named ${declared.name} has the IQN ${namesake.iqn}, the cluster file says ${declared.iqn}`, 'E_STORAGE_NAME',
      'Write that IQN into the cluster file to adopt the target, or rename the target in SAN Manager.')];
  }
  return [...elsewhere, ...mappingFindings(declared, lun, target), ...chapFindings(declared, target), ...switchFindings(declared, target, claimant)];
}

/** Who holds a session on a target, besides firstlight's own look: `iqn (address)`. */
export function strangersOn(target: DsmTarget): readonly string[] {
  return target.connected_sessions.filter((session) => !sameIqn(session.iqn, DESK_INITIATOR)).map((session) => (session.ip ? `${session.iqn} (${session.ip})` : session.iqn));
}

function mappingFindings(declared: Lun, lun: DsmLun | undefined, target: DsmTarget): readonly StorageFinding[] {
  const foreign = target.mapped_luns.filter((mapped) => mapped.lun_uuid !== lun?.uuid);
  if (foreign.length > 0) {
    return [refusal(declared, 'iqn taken', `the target ${target.iqn} shows another LUN (${foreign.map((mapped) => mapped.lun_uuid).join(', ')})`, 'E_STORAGE_IQN',
      'Give the LUN an IQN of its own in the cluster file, or take the other LUN off the target in SAN Manager.')];
  }
  return target.mapped_luns.length > 0 ? [] : [finding(declared, 'not mapped', `the target ${target.iqn} shows no LUN`)];
}

/** A change of CHAP locks out whoever logs in the old way, so it is refused while anybody is connected. */
function chapFindings(declared: Lun, target: DsmTarget): readonly StorageFinding[] {
  const change = target.auth_type === 0 ? finding(declared, 'chap off', `the target ${target.iqn} lets anybody in without CHAP`)
    : target.user !== declared.user ? chapUserDiffers(declared, target)
      : mutualFinding(declared, target);
  if (!change) return [];
  const connected = strangersOn(target);
  if (change.refused || connected.length === 0) return [change];
  return [refusal(declared, 'in use', `the target ${target.iqn} is in use by ${connected.join(', ')}, and CHAP would have to change (${change.kind})`, 'E_STORAGE_IN_USE',
    'Whoever is connected could not log in again. If that is not this cluster, declare a LUN of another name; if it is, stop the workloads that use the LUN and run again.')];
}

function chapUserDiffers(declared: Lun, target: DsmTarget): StorageFinding {
  return refusal(declared, 'chap differs', `the target ${target.iqn} has the CHAP user ${target.user || '(none)'}, the cluster file says ${declared.user}`, 'E_STORAGE_CHAP_USER',
    'Whoever uses that target would be locked out: write its CHAP user and secret into the cluster file and the credentials, or change them in SAN Manager.');
}

function mutualFinding(declared: Lun, target: DsmTarget): StorageFinding | undefined {
  const shown = target.auth_type === 2 ? target.mutual_user : undefined;
  if (shown === declared.mutualUser) return undefined;
  if (shown === undefined) return finding(declared, 'chap one-way', `the target ${target.iqn} does not prove itself (mutual CHAP)`);
  return refusal(declared, 'chap differs', `the target ${target.iqn} has mutual CHAP as ${shown || '(nobody)'}, the cluster file says ${declared.mutualUser ?? 'one-way CHAP'}`, 'E_STORAGE_CHAP_USER',
    `Write \`mutualUser: ${shown}\` into the cluster file and its secret as \`mutualChap.${declared.name}\` into the credentials, or change it in SAN Manager → iSCSI → the target → Authentication.`);
}

function switchFindings(declared: Lun, target: DsmTarget, claimant: Claimant): readonly StorageFinding[] {
  const findings: StorageFinding[] = [];
  const needed = claimant.nodes + 1;
  if (target.max_sessions !== 0 && target.max_sessions < needed) {
    findings.push(finding(declared, 'few sessions', `the target ${target.iqn} allows ${target.max_sessions} session${target.max_sessions === 1 ? '' : 's'} (max_sessions), ${claimant.nodes} nodes and this look need ${needed}`));
  }
  if (!target.is_enabled) findings.push(finding(declared, 'target disabled', `the target ${target.iqn} is switched off`));
  return findings;
}
