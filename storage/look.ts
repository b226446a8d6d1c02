import { FirstlightError } from '../lib/errors.ts';
import type { Host } from '../lib/host.ts';
import type { Lun, Nas } from '../nodes/cluster.ts';
import { DESK_INITIATOR, match, sameIqn, type Claimant, type NasContents, type StorageFinding } from './findings.ts';
import { proveLun, type LunProof } from './iscsi/prove.ts';
import { maskingNotes, maskingOf } from './masking.ts';
import { chapOf, type StorageCredentials } from './secrets.ts';
import { strangersOn } from './target-findings.ts';

/** A declared LUN as it is on the NAS. `number` is its logical unit number behind the target; `masked`: named initiators only. */
export type FoundLun = { readonly name: string; readonly uuid: string; readonly bytes: number; readonly iqn: string; readonly number: number | undefined; readonly masked: boolean };

/** A look at the NAS: what differs, what is worth a word though nothing must be done, and the declared LUNs that are there with their targets. */
export type StorageLook = { readonly findings: readonly StorageFinding[]; readonly notes: readonly string[]; readonly luns: readonly FoundLun[] };

/** A LUN proven by a real login. */
export type ProvenLun = LunProof & { readonly name: string; readonly iqn: string };

/** Judges what was read: the `differing` by the lists, and a real login to each LUN about which the lists agree. Throws the abort. */
export async function lookAt(host: Host, nas: Nas, credentials: StorageCredentials, claimant: Claimant, contents: NasContents, differing: readonly StorageFinding[]): Promise<StorageLook> {
  const findings = [...differing];
  const names = new Set(differing.map((finding) => finding.lun));
  const luns = nas.luns.flatMap((lun) => foundLun(lun, contents));
  for (const lun of nas.luns) {
    const found = luns.find((each) => each.name === lun.name);
    if (found && !found.masked && !names.has(lun.name)) findings.push(...await tryLogin(host, nas, lun, credentials, found.uuid));
  }
  return { findings, luns, notes: nas.luns.flatMap((lun) => notesOn(lun, contents, claimant)) };
}

/**
 * Proves each declared LUN by a real iSCSI login with its CHAP secret: it has the declared size, and is the very one that was
 * `found` (by name). Those that let only named initiators in can't be proven from here and are left out. Reads only. Throws `E_ISCSI_…`.
 */
export async function proveStorage(host: Host, nas: Nas, credentials: Pick<StorageCredentials, 'chap' | 'mutualChap'>, found: ReadonlyMap<string, FoundLun>): Promise<readonly ProvenLun[]> {
  const proven: ProvenLun[] = [];
  for (const lun of nas.luns.filter((each) => found.get(each.name)?.masked !== true)) {
    const proof = await proveOne(host, nas, lun, credentials, found.get(lun.name)?.uuid ?? lun.uuid);
    proven.push({ name: lun.name, iqn: lun.iqn, ...proof });
    host.emit({ code: 'storage.proven', message: `LUN ${lun.name}: ${proof.vendor} ${proof.product}, ${proof.bytes} bytes, serial ${proof.serial}` });
  }
  return proven;
}

function foundLun(declared: Lun, contents: NasContents): FoundLun[] {
  const found = match(contents, declared);
  if (!found.lun || !found.target) return [];
  const { uuid, size: bytes } = found.lun;
  const number = found.target.mapped_luns.find((mapped) => mapped.lun_uuid === uuid)?.mapping_index;
  return [{ name: declared.name, uuid, bytes, iqn: found.target.iqn, number, masked: maskingOf(contents, found).kind !== 'open' }];
}

function notesOn(declared: Lun, contents: NasContents, claimant: Claimant): string[] {
  const found = match(contents, declared);
  const notes = [...maskingNotes(contents, declared, found, claimant)];
  const own = [...claimant.initiators.values()];
  const strangers = found.target && own.length >= claimant.nodes ? strangersOn(found.target).filter((each) => !own.some((iqn) => sameIqn(iqn, each.split(' ')[0]!))) : [];
  if (strangers.length > 0) notes.push(`LUN ${declared.name}: ${strangers.join(', ')} holds a session and is no node of this cluster: an old card’s that will time out, or somebody else’s`);
  const status = found.lun?.status ?? '';
  if (status !== '' && status !== 'normal') notes.push(`LUN ${declared.name}: DSM says its status is ${status}`);
  return notes;
}

/** DSM does not tell a target's CHAP secret, and a list is not a proof: so we log in. */
async function tryLogin(host: Host, nas: Nas, lun: Lun, credentials: StorageCredentials, serial: string): Promise<StorageFinding[]> {
  try {
    await proveOne(host, nas, lun, credentials, serial);
    return [];
  } catch (error) {
    if (!(error instanceof FirstlightError) || !error.code.startsWith('E_ISCSI_')) throw error;
    const kind = /^E_ISCSI_(AUTH|MUTUAL)$/.test(error.code) ? 'chap differs' : 'no login';
    return [{ lun: lun.name, kind, message: `LUN ${lun.name}: ${error.message}`, refused: error }];
  }
}

async function proveOne(host: Host, nas: Nas, lun: Lun, credentials: Pick<StorageCredentials, 'chap' | 'mutualChap'>, serial: string | undefined): Promise<LunProof> {
  const { user, secret, mutual } = chapOf(lun, credentials);
  const claim = { portal: `${nas.address}:${nas.iscsiPort}`, iqn: lun.iqn, expectedBytes: lun.bytes, initiator: DESK_INITIATOR, user, secret };
  return await proveLun(host, { ...claim, ...(serial === undefined ? {} : { serial }) }, mutual ? { mutual } : {});
}
