import { z } from 'zod';
import type { Dsm } from './session.ts';
import { textOrNone } from './shapes.ts';

/** A LUN as DSM lists it; `size` is bytes. */
export type DsmLun = z.infer<typeof lunShape>;

/** A volume as DSM lists it; `freeBytes` undefined where DSM does not say. */
export type DsmVolume = { readonly path: string; readonly fileSystem: string; readonly freeBytes: number | undefined };

const lunShape = z.looseObject({
  uuid: z.string().min(1), name: z.string(), size: z.coerce.number(), location: textOrNone, status: textOrNone, description: textOrNone,
});
const volumeShape = z.looseObject({ volume_path: z.string(), fs_type: textOrNone, size_free_byte: z.coerce.number().optional() });

const API = 'SYNO.Core.ISCSI.LUN';
const MARK = /^firstlight: cluster (\S+)$/;

/** The description of a LUN that firstlight makes: it says for which cluster, in SAN Manager and to another cluster's firstlight. */
export function markFor(cluster: string): string {
  return `firstlight: cluster ${cluster}`;
}

/** The cluster that a LUN's description names, or undefined: made by hand, by a CSI driver, or described otherwise since. */
export function markedFor(lun: Pick<DsmLun, 'description'>): string | undefined {
  return MARK.exec(lun.description.trim())?.[1];
}

/** All volumes of the Synology. Throws `E_DSM_…`. */
export async function listVolumes(dsm: Dsm): Promise<readonly DsmVolume[]> {
  const data = await dsm.call('SYNO.Core.Storage.Volume', 'list', { offset: 0, limit: -1, location: 'all' }, z.looseObject({ volumes: z.array(volumeShape) }));
  return data.volumes.map((volume) => ({ path: volume.volume_path, fileSystem: volume.fs_type, freeBytes: volume.size_free_byte }));
}

/** All LUNs of every kind (no `types` filter: it hides some). Throws `E_DSM_…`. */
export async function listLuns(dsm: Dsm): Promise<readonly DsmLun[]> {
  const data = await dsm.call(API, 'list', { additional: ['allocated_size', 'status', 'is_action_locked', 'is_mapped'] }, z.looseObject({ luns: z.array(lunShape) }));
  return data.luns;
}

/** What a LUN is made of. */
export type NewLun = { readonly name: string; readonly bytes: number; readonly volume: DsmVolume; readonly description: string };

/** Makes a thin LUN of `bytes` on the volume, of the kind its file system can hold, with UNMAP; gives its uuid. Throws `E_DSM_…`. */
export async function createLun(dsm: Dsm, lun: NewLun): Promise<string> {
  const btrfs = lun.volume.fileSystem === 'btrfs';
  const attributes = [{ dev_attrib: 'emulate_tpu', enable: 1 }, ...(btrfs ? [{ dev_attrib: 'can_snapshot', enable: 1 }] : [])];
  // The kinds as synology-csi:pkg/dsm/service/dsm.go chooses them: thin is BLUN on Btrfs and ADV on ext4.
  const data = await dsm.call(API, 'create', {
    name: lun.name, size: lun.bytes, type: btrfs ? 'BLUN' : 'ADV', location: lun.volume.path, description: lun.description, dev_attribs: attributes,
  }, z.looseObject({ uuid: z.string().min(1) }));
  return data.uuid;
}

/** Grows a LUN to `bytes`; the caller has made sure that it grows. Throws `E_DSM_…`. */
export async function growLun(dsm: Dsm, uuid: string, bytes: number): Promise<void> {
  await dsm.call(API, 'set', { uuid, new_size: bytes }, z.unknown());
}

/** Maps a LUN to a target. Throws `E_DSM_…`. */
export async function mapLun(dsm: Dsm, uuid: string, targetId: number): Promise<void> {
  await dsm.call(API, 'map_target', { uuid, target_ids: [targetId] }, z.unknown());
}
