import { basename } from 'node:path';
import { z } from 'zod';
import { problem } from '../../lib/errors.ts';
import type { Host } from '../../lib/host.ts';
import type { Disk } from './lsblk.ts';

// What is read of Apple's diskutil; keys that a version lacks are simply not there.
const text = z.string().optional();
const flag = z.boolean().optional();
const volume = z.object({ DeviceIdentifier: z.string(), MountPoint: text, MountedSnapshots: z.array(z.object({ SnapshotMountPoint: text })).optional() });
const entry = volume.extend({
  Partitions: z.array(volume).optional(), APFSVolumes: z.array(volume).optional(),
  APFSPhysicalStores: z.array(z.object({ DeviceIdentifier: z.string() })).optional(),
});
const list = z.object({ AllDisksAndPartitions: z.array(entry) });
const info = z.object({
  DeviceIdentifier: z.string(), WholeDisk: flag, VirtualOrPhysical: text, BusProtocol: text, Removable: flag, RemovableMedia: flag,
  WritableMedia: flag, Writable: flag, TotalSize: z.number().optional(), Size: z.number().optional(), MediaName: text,
});

type Entry = z.infer<typeof entry>;

/**
 * All whole disks of a Mac, or the one at `path` (`/dev/disk4`), as `diskutil list` and `diskutil info` tell them; the mount
 * points of APFS volumes count for the disk their container is on. Diskutil tells no serial numbers: they are empty.
 * Throws `E_DISKUTIL` where the answer is not understood, `E_NO_PROGRAM` where there is no diskutil.
 */
export async function listMacDisks(host: Host, path?: string): Promise<Disk[]> {
  const read = list.safeParse(await ask(host, ['list', '-plist']));
  if (!read.success) throw notTold('the disks', read.error);
  const entries = read.data.AllDisksAndPartitions;
  const names = path === undefined ? entries.map((one) => one.DeviceIdentifier) : [basename(path)];
  const disks: Disk[] = [];
  for (const name of names) {
    const told = info.safeParse(await ask(host, ['info', '-plist', name]));
    // A disk that was pulled meanwhile, or an empty reader: diskutil answers with an error in place of facts.
    if (told.success) disks.push(toDisk(told.data, entries));
    else if (path === undefined && !entries.some((one) => one.DeviceIdentifier === name)) throw notTold(name, told.error);
  }
  return disks;
}

/** Runs diskutil and has the system's own plutil turn its property list into JSON. */
async function ask(host: Host, args: readonly string[]): Promise<unknown> {
  const answer = await host.run({ program: 'diskutil', args, timeoutMs: 30_000, accept: 'any' });
  const json = await host.run({ program: 'plutil', args: ['-convert', 'json', '-o', '-', '-'], stdin: answer.stdout, timeoutMs: 15_000, accept: 'any' });
  try {
    return JSON.parse(json.stdout);
  } catch {
    return undefined;
  }
}

function toDisk(told: z.infer<typeof info>, entries: readonly Entry[]): Disk {
  const id = told.DeviceIdentifier;
  const bus = (told.BusProtocol ?? '').toLowerCase();
  const virtual = told.VirtualOrPhysical === 'Virtual' || bus === 'disk image';
  const children = partsOf(id, entries);
  return {
    path: `/dev/${id}`, type: virtual ? 'virtual disk' : told.WholeDisk === false ? 'part' : 'disk', bytes: told.TotalSize ?? told.Size ?? 0,
    readOnly: told.WritableMedia === false || told.Writable === false,
    removable: told.RemovableMedia === true || told.Removable === true,
    // In the words the rules know from Linux: a reader on USB, a slot of the Mac's own (which calls itself internal).
    transport: bus, subsystems: bus === 'secure digital' ? 'mmc' : bus === 'usb' ? 'usb' : '',
    model: told.MediaName ?? '', serial: '', mountpoints: mounts(entries.find((one) => one.DeviceIdentifier === id)),
    children,
  };
}

/** What lies on a disk: its partitions, and the volumes of APFS containers that are stored on it. */
function partsOf(id: string, entries: readonly Entry[]): Disk[] {
  const own = entries.filter((one) => one.DeviceIdentifier === id).flatMap((one) => [...one.Partitions ?? [], ...one.APFSVolumes ?? []]);
  const stored = entries.filter((one) => one.DeviceIdentifier !== id && one.APFSPhysicalStores?.some((store) => new RegExp(`^${id}(s\\d+)*$`).test(store.DeviceIdentifier)))
    .flatMap((one) => [one, ...one.APFSVolumes ?? []]);
  return [...own, ...stored].map((one) => ({
    path: `/dev/${one.DeviceIdentifier}`, type: 'part', bytes: 0, readOnly: false, removable: false, transport: '', subsystems: '',
    model: '', serial: '', mountpoints: mounts(one), children: [],
  }));
}

function mounts(one: z.infer<typeof volume> | undefined): string[] {
  const all = [one?.MountPoint, ...(one?.MountedSnapshots ?? []).map((snapshot) => snapshot.SnapshotMountPoint)];
  return all.filter((mount) => mount !== undefined && mount !== '') as string[];
}

function notTold(what: string, cause: unknown): Error {
  return problem('E_DISKUTIL', `diskutil did not tell about ${what}`, 'Run `diskutil list` by hand.', { cause });
}
