import { createHash } from 'node:crypto';
import { open } from 'node:fs/promises';
import { decodeMeta, encodeMeta, META_BYTES } from '../../lib/adv.ts';
import { readAt, writeAt } from '../../lib/file-bytes.ts';
import type { Partition } from '../../lib/gpt.ts';
import { BOOT_HEADER_BYTES, isWhole, readBootHeader, type BootManifest } from '../factory/boot-files.ts';
import { partition, withCard, type OpenCard } from './card-file.ts';
import { createStatePartitions, ephemeralFolder, readState, wipeEphemeral, wipeState, writeState } from './card-state.ts';
import type { BootCard, CardParts } from './types.ts';

export { createStatePartitions, ephemeralFolder, readState, writeState };

const MIB = 1024 * 1024;

/** Why a board does not boot from a card. */
export type Unbootable = { readonly bootable: false; readonly reason: string };

/** Makes a new, empty card: a sparse file of `bytes` (64 GB unless told). Throws EEXIST where there is a file. */
export async function createBlankCard(path: string, bytes = 64_000_000_000): Promise<void> {
  const file = await open(path, 'wx', 0o600);
  try {
    await file.truncate(bytes);
  } finally {
    await file.close();
  }
}

/**
 * What a board finds on its card at power on: the table, the boot files of EFI and BOOT byte by byte, META's place.
 * Anything not whole does not boot, and the reason says what.
 */
export async function readCard(path: string): Promise<BootCard | Unbootable> {
  try {
    return await withCard(path, 'r', (card) => readBoot(card, path));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return { bootable: false, reason: 'there is no card' };
    throw error;
  }
}

async function readBoot(card: OpenCard, path: string): Promise<BootCard | Unbootable> {
  if (!card.table) return { bootable: false, reason: 'no valid partition table' };
  const found = (label: string): Partition | undefined => card.table?.partitions.find((one) => one.label === label);
  const [efi, boot, meta] = [found('EFI'), found('BOOT'), found('META')];
  if (!efi || !boot) return { bootable: false, reason: `no partition ${efi ? 'BOOT' : 'EFI'}` };
  if (meta?.bytes !== MIB) return { bootable: false, reason: 'no partition META of 1 MiB' };
  const files = await Promise.all([readBootFiles(card, efi), readBootFiles(card, boot)]);
  const [first, second] = files;
  if (typeof first === 'string') return { bootable: false, reason: first };
  if (typeof second === 'string') return { bootable: false, reason: second };
  if (first?.version !== second?.version || first?.schematic !== second?.schematic || !first) {
    return { bootable: false, reason: 'EFI and BOOT are of two images' };
  }
  const labels = new Set(card.table.partitions.map((one) => one.label));
  return {
    bootable: true,
    version: first.version,
    schematic: first.schematic,
    extensions: first.extensions.map((name) => name.split('/').at(-1) ?? name),
    serial: cardSerial(path),
    bytes: card.bytes,
    partitioned: labels.has('STATE') && labels.has('EPHEMERAL'),
  };
}

async function readBootFiles(card: OpenCard, place: Partition): Promise<BootManifest | string> {
  const manifest = readBootHeader(await readAt(card.file, place.start, BOOT_HEADER_BYTES));
  if (manifest?.label !== place.label) return `no boot files in ${place.label}`;
  if (manifest.bytes > place.bytes - BOOT_HEADER_BYTES) return `the boot files of ${place.label} do not fit it`;
  const payload = await readAt(card.file, place.start + BOOT_HEADER_BYTES, manifest.bytes);
  return isWhole(manifest, payload) ? manifest : `the boot files of ${place.label} are damaged`;
}

/** The serial number of the card that a file stands for: eight hex digits, from its path. */
export function cardSerial(path: string): string {
  return `0x${createHash('sha256').update(path).digest('hex').slice(0, 8)}`;
}

/** META's keys, from the first copy that is whole; empty where neither is. Throws where the card has no META. */
export function readMeta(path: string): Promise<Map<number, string>> {
  return withCard(path, 'r', async (card) => decodeMeta(await readAt(card.file, partition(card, 'META').start, META_BYTES)) ?? new Map());
}

/** Puts these keys, and no others, in META, both copies. Throws where the card has no META or they do not fit. */
export async function writeMeta(path: string, values: ReadonlyMap<number, string>): Promise<void> {
  await withCard(path, 'r+', async (card) => {
    await writeAt(card.file, partition(card, 'META').start, encodeMeta(values));
    await card.file.sync();
  });
}

/** Empties the partitions with these labels, as a reset does; `'all'` takes the tables at both ends too: it boots no more. */
export async function wipeCard(path: string, labels: readonly string[] | 'all'): Promise<void> {
  await withCard(path, 'r+', async (card) => {
    const wipes = (label: string): boolean => labels === 'all' || labels.includes(label);
    if (wipes('STATE')) await wipeState(card);
    if (wipes('EPHEMERAL')) await wipeEphemeral(card, path);
    for (const place of card.table?.partitions ?? []) {
      if (['EFI', 'BIOS', 'BOOT', 'META'].includes(place.label) && wipes(place.label)) await writeAt(card.file, place.start, Buffer.alloc(MIB));
    }
    if (labels === 'all') {
      await writeAt(card.file, 0, Buffer.alloc(MIB));
      await writeAt(card.file, card.bytes - MIB, Buffer.alloc(MIB));
    }
    await card.file.sync();
  });
}

/** A card, as the virtual board uses it. */
export const cardParts: CardParts = {
  read: readCard, readMeta, writeMeta, createPartitions: createStatePartitions, readState, writeState, wipe: wipeCard, ephemeralFolder,
};
