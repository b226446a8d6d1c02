import { ManyErrors, problem, FirstlightError } from '../lib/errors.ts';
import type { Host } from '../lib/host.ts';
import type { Lun, Nas } from '../nodes/cluster.ts';
import type { Credentials } from '../nodes/credentials.ts';
import { createLun, growLun, listLuns, listVolumes, mapLun } from './dsm/luns.ts';
import { withDsm, type Dsm } from './dsm/session.ts';
import { allowSessions, createTarget, enableTarget, listTargets, setChap, type Chap } from './dsm/targets.ts';
import { compare, match, type NasContents, type StorageFinding } from './findings.ts';
import { proveLun, type LunProof } from './iscsi/prove.ts';
import { checkSecrets, nasPassword, type StorageCredentials } from './secrets.ts';

/** The initiator name of firstlight's own look at the NAS: not a node's, so its sessions are told apart in SAN Manager. */
export const DESK_INITIATOR = 'iqn.2026-11.local.firstlight:desk';

/** A LUN proven by a real login. */
export type ProvenLun = LunProof & { readonly name: string; readonly iqn: string };

/**
 * What differs between the declared LUNs and the NAS; empty means done. Only reads: lists by DSM, and where those agree,
 * a real iSCSI login that proves CHAP and size. Throws `E_STORAGE_SECRETS`, `E_DSM_…`, or the abort.
 */
export async function observeStorage(host: Host, nas: Nas, credentials: StorageCredentials): Promise<StorageFinding[]> {
  checkSecrets(host, nas, credentials);
  const contents = await withDsm(host, nas, nasPassword(credentials), readContents);
  return await observed(host, nas, credentials, contents);
}

/**
 * Makes the NAS hold the declared LUNs: creates or adopts (the LUN by name, the target by IQN), grows, maps, switches CHAP
 * on, allows sessions. Never formats, shrinks, deletes or unmaps. Where one finding is refused, nothing at all is written.
 * Writes nothing when nothing is missing. Throws `E_STORAGE_…`, `E_DSM_…`, `E_ISCSI_…`; several refusals as one `ManyErrors`.
 */
export async function ensureStorage(host: Host, nas: Nas, credentials: StorageCredentials): Promise<void> {
  checkSecrets(host, nas, credentials);
  const contents = await withDsm(host, nas, nasPassword(credentials), async (dsm) => {
    let now = await readContents(dsm);
    refuse(await observed(host, nas, credentials, now));
    // Twice: what a DSM does not take at creation (max_sessions, say) is set afterwards.
    for (let round = 0; round < 2; round += 1) {
      const missing = compare(nas, now);
      refuse(missing);
      if (missing.length === 0) return now;
      for (const lun of nas.luns) await mend(host, dsm, nas, lun, chapOf(lun, credentials), now);
      now = await readContents(dsm);
    }
    return now;
  });
  const left = await observed(host, nas, credentials, contents);
  refuse(left);
  if (left.length === 0) return;
  throw problem('E_STORAGE_NOT_TAKEN', `the NAS took the changes but does not show them: ${left.map((finding) => finding.message).join('; ')}`,
    'Look at the LUN and its target in SAN Manager, mend there what is missing, and run again.');
}

/** Proves each declared LUN by a real iSCSI login with its CHAP secret, of the declared size. Reads only. Throws `E_ISCSI_…`. */
export async function proveStorage(host: Host, nas: Nas, credentials: Pick<Credentials, 'chap'>): Promise<readonly ProvenLun[]> {
  const proven: ProvenLun[] = [];
  for (const lun of nas.luns) {
    const proof = await proveLun(host, { ...claimOf(nas, lun, credentials) });
    proven.push({ name: lun.name, iqn: lun.iqn, ...proof });
    host.emit({ code: 'storage.proven', message: `LUN ${lun.name}: ${proof.vendor} ${proof.product}, ${proof.bytes} bytes, serial ${proof.serial}` });
  }
  return proven;
}

async function readContents(dsm: Dsm): Promise<NasContents> {
  return { volumes: await listVolumes(dsm), luns: await listLuns(dsm), targets: await listTargets(dsm) };
}

async function observed(host: Host, nas: Nas, credentials: StorageCredentials, contents: NasContents): Promise<StorageFinding[]> {
  const findings = [...compare(nas, contents)];
  const differing = new Set(findings.map((finding) => finding.lun));
  for (const lun of nas.luns) {
    if (!differing.has(lun.name)) findings.push(...await tryLogin(host, nas, lun, credentials, contents));
  }
  return findings;
}

/** DSM does not tell a target's CHAP secret, and a list is not a proof: so we log in. */
async function tryLogin(host: Host, nas: Nas, lun: Lun, credentials: StorageCredentials, contents: NasContents): Promise<StorageFinding[]> {
  const serial = match(contents, lun).lun?.uuid;
  try {
    await proveLun(host, { ...claimOf(nas, lun, credentials), ...(serial === undefined ? {} : { serial }) });
    return [];
  } catch (error) {
    if (!(error instanceof FirstlightError) || !error.code.startsWith('E_ISCSI_')) throw error;
    const kind = error.code === 'E_ISCSI_AUTH' ? 'chap differs' : 'no login';
    return [{ lun: lun.name, kind, message: `LUN ${lun.name}: ${error.message}`, refused: error }];
  }
}

async function mend(host: Host, dsm: Dsm, nas: Nas, lun: Lun, chap: Chap, contents: NasContents): Promise<void> {
  const found = match(contents, lun);
  const kinds = new Set(compare({ ...nas, luns: [lun] }, contents).map((finding) => finding.kind));
  const say = (done: string): void => host.emit({ code: 'storage.changed', message: `LUN ${lun.name}: ${done}` });
  const volume = contents.volumes.find((each) => each.path === nas.volume);
  let uuid = found.lun?.uuid;
  if (uuid === undefined && volume) {
    uuid = await createLun(dsm, { name: lun.name, bytes: lun.bytes, volume });
    say(`created, ${lun.bytes} bytes on ${nas.volume}`);
  } else if (uuid !== undefined && kinds.has('lun smaller')) {
    await growLun(dsm, uuid, lun.bytes);
    say(`grown to ${lun.bytes} bytes`);
  }
  const targetId = found.target?.target_id ?? await createTarget(dsm, { name: lun.name, iqn: lun.iqn, chap });
  if (!found.target) say(`target ${lun.iqn} created`);
  if (kinds.has('chap off')) {
    await setChap(dsm, targetId, chap);
    say('CHAP switched on');
  }
  if (kinds.has('one session')) {
    await allowSessions(dsm, targetId);
    say('more than one session allowed');
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

function refuse(findings: readonly StorageFinding[]): void {
  const refused = findings.flatMap((finding) => (finding.refused ? [finding.refused] : []));
  if (refused.length === 0) return;
  const [first] = refused;
  if (refused.length === 1 && first) throw first;
  throw new ManyErrors('E_STORAGE', `${refused.length} things on the NAS stand against the cluster file`, 'Each is told with what to do.', refused);
}

function chapOf(lun: Lun, credentials: Pick<Credentials, 'chap'>): Chap {
  return { user: lun.user, secret: credentials.chap[lun.name] ?? '' };
}

function claimOf(nas: Nas, lun: Lun, credentials: Pick<Credentials, 'chap'>) {
  return {
    portal: `${nas.address}:${nas.iscsiPort}`, iqn: lun.iqn, expectedBytes: lun.bytes, initiator: DESK_INITIATOR, ...chapOf(lun, credentials),
  };
}
