import { crc32 } from 'node:zlib';

/** Bytes of a logical sector; the images and cards written here have no other. */
export const SECTOR = 512;

/** Sectors before the first usable one: protective MBR, header, 128 entries of 128 bytes. The end of a disk has one less. */
export const GPT_SECTORS = 34;

const ENTRIES = 128;
const ENTRY = 128;
const SIGNATURE = 'EFI PART';

/** One partition. `number` counts from 1; `start` and `bytes` are bytes; `type` and `guid` are upper-case GUIDs. */
export type Partition = {
  readonly number: number;
  readonly label: string;
  readonly type: string;
  readonly guid: string;
  readonly start: number;
  readonly bytes: number;
};

/** A GUID partition table. `lastUsable` and `backup` are sector numbers: where partitions must end, where the second header is. */
export type Gpt = {
  readonly guid: string;
  readonly lastUsable: number;
  readonly backup: number;
  readonly partitions: readonly Partition[];
};

/** What Talos's partitions are made of: GUIDs of the UEFI specification. */
export const PARTITION_TYPE = {
  efi: 'C12A7328-F81F-11D2-BA4B-00A0C93EC93B',
  bios: '21686148-6449-6E6F-744E-656564454649',
  linux: '0FC63DAF-8483-4772-8E79-3D69D8477DE4',
} as const;

/** What a table is made from: `diskBytes` is the size of the disk (or image) it is for. */
export type GptPlan = { readonly guid: string; readonly diskBytes: number; readonly partitions: readonly Partition[] };

/**
 * The two pieces of a table for a disk: `head` goes to byte 0 (protective MBR, header, entries; 34 sectors), `tail` to the
 * disk's last 33 sectors (entries, second header), at `tailAt`.
 */
export function buildGpt(plan: GptPlan): { readonly head: Buffer; readonly tail: Buffer; readonly tailAt: number } {
  const sectors = Math.floor(plan.diskBytes / SECTOR);
  const entries = Buffer.alloc(ENTRIES * ENTRY);
  for (const partition of plan.partitions) writeEntry(entries.subarray((partition.number - 1) * ENTRY), partition);
  const primary = header(plan.guid, entries, { self: 1, other: sectors - 1, entries: 2, sectors });
  const backup = header(plan.guid, entries, { self: sectors - 1, other: 1, entries: sectors - 33, sectors });
  const head = Buffer.concat([protectiveMbr(sectors), primary, entries]);
  return { head, tail: Buffer.concat([entries, backup]), tailAt: (sectors - 33) * SECTOR };
}

/**
 * The table in a disk's first 34 sectors. Undefined where there is none or where a checksum is wrong (checked: both CRC-32,
 * header place, entry sizes, partitions within the usable range and not overlapping). Never throws.
 */
export function parseGpt(head: Uint8Array): Gpt | undefined {
  const disk = Buffer.from(head.buffer, head.byteOffset, head.byteLength);
  if (disk.length < GPT_SECTORS * SECTOR) return undefined;
  const first = Buffer.from(disk.subarray(SECTOR, 2 * SECTOR));
  if (first.toString('latin1', 0, 8) !== SIGNATURE || first.readUInt32LE(12) !== 92) return undefined;
  const sum = first.readUInt32LE(16);
  first.fill(0, 16, 20);
  if (crc32(first.subarray(0, 92)) !== sum || first.readBigUInt64LE(24) !== 1n) return undefined;
  if (first.readBigUInt64LE(72) !== 2n || first.readUInt32LE(80) !== ENTRIES || first.readUInt32LE(84) !== ENTRY) return undefined;
  const entries = disk.subarray(2 * SECTOR, GPT_SECTORS * SECTOR);
  if (crc32(entries) !== first.readUInt32LE(88)) return undefined;
  const lastUsable = Number(first.readBigUInt64LE(48));
  const partitions = Array.from({ length: ENTRIES }, (_, index) => readEntry(entries.subarray(index * ENTRY, (index + 1) * ENTRY), index + 1))
    .filter((partition) => partition !== undefined);
  if (!sound(partitions, lastUsable)) return undefined;
  return { guid: readGuid(first.subarray(56, 72)), lastUsable, backup: Number(first.readBigUInt64LE(32)), partitions };
}

function sound(partitions: readonly Partition[], lastUsable: number): boolean {
  let end = GPT_SECTORS * SECTOR;
  for (const partition of [...partitions].sort((a, b) => a.start - b.start)) {
    if (partition.start < end || partition.bytes <= 0) return false;
    end = partition.start + partition.bytes;
  }
  return end <= (lastUsable + 1) * SECTOR;
}

type Places = { readonly self: number; readonly other: number; readonly entries: number; readonly sectors: number };

function header(guid: string, entries: Buffer, at: Places): Buffer {
  const sector = Buffer.alloc(SECTOR);
  sector.write(SIGNATURE, 0, 'latin1');
  sector.writeUInt32LE(0x10000, 8);
  sector.writeUInt32LE(92, 12);
  sector.writeBigUInt64LE(BigInt(at.self), 24);
  sector.writeBigUInt64LE(BigInt(at.other), 32);
  sector.writeBigUInt64LE(BigInt(GPT_SECTORS), 40);
  sector.writeBigUInt64LE(BigInt(at.sectors - GPT_SECTORS), 48);
  writeGuid(sector.subarray(56), guid);
  sector.writeBigUInt64LE(BigInt(at.entries), 72);
  sector.writeUInt32LE(ENTRIES, 80);
  sector.writeUInt32LE(ENTRY, 84);
  sector.writeUInt32LE(crc32(entries), 88);
  sector.writeUInt32LE(crc32(sector.subarray(0, 92)), 16);
  return sector;
}

function protectiveMbr(sectors: number): Buffer {
  const sector = Buffer.alloc(SECTOR);
  sector.set([0x00, 0x00, 0x02, 0x00, 0xee, 0xff, 0xff, 0xff], 446);
  sector.writeUInt32LE(1, 454);
  sector.writeUInt32LE(Math.min(sectors - 1, 0xffffffff), 458);
  sector.writeUInt16LE(0xaa55, 510);
  return sector;
}

function writeEntry(entry: Buffer, partition: Partition): void {
  writeGuid(entry, partition.type);
  writeGuid(entry.subarray(16), partition.guid);
  entry.writeBigUInt64LE(BigInt(partition.start / SECTOR), 32);
  entry.writeBigUInt64LE(BigInt((partition.start + partition.bytes) / SECTOR - 1), 40);
  entry.write(partition.label, 56, 72, 'utf16le');
}

function readEntry(entry: Buffer, number: number): Partition | undefined {
  const type = readGuid(entry);
  if (/^[0-]+$/.test(type)) return undefined;
  const start = Number(entry.readBigUInt64LE(32)) * SECTOR;
  const end = (Number(entry.readBigUInt64LE(40)) + 1) * SECTOR;
  const label = entry.toString('utf16le', 56, 128).replace(/\0.*$/s, '');
  return { number, label, type, guid: readGuid(entry.subarray(16)), start, bytes: end - start };
}

// A GUID's first three fields are little-endian, the rest is as written.
const ORDER = [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15];

function writeGuid(target: Buffer, guid: string): void {
  const bytes = Buffer.from(guid.replaceAll('-', ''), 'hex');
  ORDER.forEach((from, to) => { target[to] = bytes[from] ?? 0; });
}

function readGuid(source: Buffer): string {
  const hex = Buffer.from(ORDER.map((from) => source[from] ?? 0)).toString('hex').toUpperCase();
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}
