import { FirstlightError, ManyErrors, problem } from '../lib/errors.ts';
import type { Host } from '../lib/host.ts';
import type { Lun, Nas } from '../nodes/cluster.ts';
import { addInitiator, listHosts } from './dsm/hosts.ts';
import { createLun, growLun, listLuns, listVolumes, mapLun, markFor } from './dsm/luns.ts';
import { withDsm, type Dsm } from './dsm/session.ts';
import { allowSessions, createTarget, enableTarget, listTargets, setChap } from './dsm/targets.ts';
import { lunFindings, match, type Claimant, type NasContents, type StorageFinding } from './findings.ts';
import { maskingFindings, masked } from './masking.ts';
import { lookAt, type StorageLook } from './look.ts';
import { chapOf, checkSecrets, nasPassword, type StorageCredentials } from './secrets.ts';
import { targetFindings } from './target-findings.ts';

/**
 * What differs between the declared LUNs and the NAS; no findings means done. Only reads: lists by DSM, and where those agree,
 * a real iSCSI login that proves CHAP and size. Throws `E_STORAGE_SECRETS`, `E_DSM_…`, or the abort.
 */
export async function observeStorage(host: Host, nas: Nas, credentials: StorageCredentials, claimant: Claimant): Promise<StorageLook> {
  checkSecrets(host, nas, credentials);
  const contents = await withDsm(host, nas, nasPassword(credentials), readContents);
  return await lookAt(host, nas, credentials, claimant, contents, compare(nas, contents, claimant));
}

/**
 * Makes the NAS hold the declared LUNs: creates or adopts (the LUN by uuid or name, the target by IQN), grows, maps, switches
 * CHAP on, allows sessions, lets the nodes' IQNs in where hosts mask. Never formats, shrinks, deletes or unmaps. Where one
 * finding is refused, nothing at all is written; where nothing is missing, neither. Throws `E_STORAGE_…`, `E_DSM_…`,
 * `E_ISCSI_…`; several refusals as one `ManyErrors`.
 */
export async function ensureStorage(host: Host, nas: Nas, credentials: StorageCredentials, claimant: Claimant): Promise<StorageLook> {
  checkSecrets(host, nas, credentials);
  const contents = await withDsm(host, nas, nasPassword(credentials), async (dsm) => {
    let now = await readContents(dsm);
    refuse((await lookAt(host, nas, credentials, claimant, now, compare(nas, now, claimant))).findings);
    // Twice: what a DSM does not take at creation (max_sessions, say) is set afterwards.
    for (let round = 0; round < 2; round += 1) {
      const missing = compare(nas, now, claimant);
      refuse(missing);
      if (missing.length === 0) return now;
      for (const lun of nas.luns) await mend(host, dsm, nas, lun, credentials, claimant, now);
      now = await letIn(host, dsm, missing, await readContents(dsm), claimant);
    }
    return now;
  });
  const left = await lookAt(host, nas, credentials, claimant, contents, compare(nas, contents, claimant));
  refuse(left.findings);
  if (left.findings.length === 0) return left;
  throw problem('E_STORAGE_NOT_TAKEN', `the NAS took the changes but does not show them: ${left.findings.map((finding) => finding.message).join('; ')}`,
    'Look at the LUN and its target in SAN Manager, mend there what is missing, and run again.');
}

/** All differences between the declared LUNs and the NAS, by what DSM lists; empty when there are none. Pure. */
export function compare(nas: Pick<Nas, 'luns' | 'volume'>, contents: NasContents, claimant: Claimant): readonly StorageFinding[] {
  return nas.luns.flatMap((declared) => {
    const found = match(contents, declared);
    const onLun = lunFindings(nas, contents, declared, found.lun, claimant.cluster);
    if (onLun.some((each) => each.kind === 'uuid absent')) return onLun;
    return [...onLun, ...targetFindings(contents, declared, found, claimant), ...maskingFindings(contents, declared, found, claimant)];
  });
}

/** Everything that DSM lists and firstlight judges. Throws `E_DSM_…`. */
export async function readContents(dsm: Dsm): Promise<NasContents> {
  return { volumes: await listVolumes(dsm), luns: await listLuns(dsm), targets: await listTargets(dsm), hosts: await listHosts(dsm) };
}

async function mend(host: Host, dsm: Dsm, nas: Nas, lun: Lun, credentials: StorageCredentials, claimant: Claimant, contents: NasContents): Promise<void> {
  const found = match(contents, lun);
  const kinds = new Set(compare({ ...nas, luns: [lun] }, contents, claimant).map((finding) => finding.kind));
  const say = (done: string): void => host.emit({ code: 'storage.changed', message: `LUN ${lun.name}: ${done}` });
  const volume = contents.volumes.find((each) => each.path === nas.volume);
  let uuid = found.lun?.uuid;
  if (uuid === undefined && volume) {
    uuid = await createLun(dsm, { name: lun.name, bytes: lun.bytes, volume, description: markFor(claimant.cluster) });
    say(`created, ${lun.bytes} bytes on ${nas.volume}`);
  } else if (uuid !== undefined && kinds.has('lun smaller')) {
    await growLun(dsm, uuid, lun.bytes);
    say(`grown to ${lun.bytes} bytes; the file system on it does not grow by itself`);
  }
  const chap = chapOf(lun, credentials);
  const targetId = found.target?.target_id ?? await createTarget(dsm, { name: lun.name, iqn: lun.iqn, chap });
  if (!found.target) say(`target ${lun.iqn} created`);
  if (kinds.has('chap off') || kinds.has('chap one-way')) {
    await setChap(dsm, targetId, chap);
    say(chap.mutual ? 'mutual CHAP switched on' : 'CHAP switched on');
  }
  if (kinds.has('few sessions')) {
    await allowSessions(dsm, targetId);
    say('any number of sessions allowed');
  }
  if (kinds.has('target disabled')) {
    await enableTarget(dsm, targetId);
    say('target switched on');
  }
  if (uuid !== undefined && (!found.target || kinds.has('not mapped'))) {
    await mapLun(dsm, uuid, targetId);
    say(`mapped to ${lun.iqn}`);
  }
}

/**
 * Adds nodes' IQNs to their hosts, one at a time, and looks each time what DSM made of it: the way is known from others'
 * scripts only, so one that takes an initiator in place of the others, or takes none, must be noticed at once.
 */
async function letIn(host: Host, dsm: Dsm, missing: readonly StorageFinding[], before: NasContents, claimant: Claimant): Promise<NasContents> {
  let now = before;
  const wanted = new Map(missing.flatMap((each) => (each.add ? [[`${each.add.hostId} ${each.add.iqn}`, { ...each.add, lun: each.lun }]] : [])));
  for (const { hostId, iqn, lun } of wanted.values()) {
    const node = [...claimant.initiators].find(([, each]) => each === iqn)?.[0] ?? 'a node';
    const had = now.hosts.find((each) => each.host_id === hostId)?.initiator_ids ?? [];
    await addInitiator(dsm, hostId, iqn).catch((error: unknown) => {
      if (!(error instanceof FirstlightError) || !error.code.startsWith('E_DSM_')) throw error;
      const told = masked({ name: lun }, node, iqn).refused!;
      throw problem(told.code, `${told.message}; the NAS did not take it by its API`, told.hint, { cause: error });
    });
    now = await readContents(dsm);
    const has = now.hosts.find((each) => each.host_id === hostId);
    const lost = had.filter((each) => !has?.initiator_ids.includes(each));
    if (lost.length > 0) {
      throw problem('E_STORAGE_MASKING_LOST', `the NAS took ${iqn} of ${node} in place of ${lost.join(', ')} of the host ${has?.name || hostId}`,
        `In SAN Manager → Host → ${has?.name || hostId} → Edit → Initiators, add them again now: ${lost.join(', ')}. And report it with the DSM version: this DSM does otherwise than those known.`);
    }
    if (has?.initiator_ids.includes(iqn)) host.emit({ code: 'storage.changed', message: `LUN ${lun}: ${node} (${iqn}) let in with the host ${has.name || hostId}` });
    else throw masked({ name: lun }, node, iqn).refused!;
  }
  return now;
}

/** Throws what findings are refused with: one error, or several as `ManyErrors` `E_STORAGE`. */
export function refuse(findings: readonly StorageFinding[]): void {
  const refused = findings.flatMap((finding) => (finding.refused ? [finding.refused] : []));
  if (refused.length === 0) return;
  const [first] = refused;
  if (refused.length === 1 && first) throw first;
  throw new ManyErrors('E_STORAGE', `${refused.length} things on the NAS stand against the cluster file`, 'Each is told with what to do.', refused);
}
