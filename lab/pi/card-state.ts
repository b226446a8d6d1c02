import { createHash, randomBytes } from 'node:crypto';
import { mkdir, readdir, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { readAt, writeAt } from '../../lib/file-bytes.ts';
import { buildGpt, PARTITION_TYPE, SECTOR, type Partition } from '../../lib/gpt.ts';
import { partition, withCard, type OpenCard } from './card-file.ts';
import type { CardState } from './types.ts';

const MIB = 1024 * 1024;
const STATE_BYTES = 100 * MIB;
// STATE is no xfs here: two slots, each `magic, sequence u32, length u32, SHA-256, JSON`; the newer whole one counts.
const STATE_MAGIC = 'FLSTATE1';
const SLOTS = [0, STATE_BYTES / 2];
const FRAME = 8 + 4 + 4 + 32;
// EPHEMERAL holds no xfs either, only the name of the folder that stands for it.
const EPHEMERAL_MAGIC = 'FLEPHEM1';

/**
 * Adds STATE (100 MiB) and EPHEMERAL (the rest) to the card's table, empty, as Talos does at the first config
 * (siderolabs/talos:internal/app/machined/pkg/controllers/block). Nothing happens where both are there already.
 */
export async function createStatePartitions(path: string): Promise<void> {
  await withCard(path, 'r+', async (card) => {
    if (!card.table) throw new Error('the card has no partition table');
    const kept = card.table.partitions;
    if (kept.some((one) => one.label === 'STATE') && kept.some((one) => one.label === 'EPHEMERAL')) return;
    const image = kept.filter((one) => one.number <= 4);
    const start = Math.ceil(Math.max(...image.map((one) => one.start + one.bytes)) / MIB) * MIB;
    const end = Math.floor((card.bytes - 33 * SECTOR) / MIB) * MIB;
    const rest = end - start - STATE_BYTES;
    if (rest < 2 * 1024 * MIB) throw new Error('the card is too small for STATE and EPHEMERAL');
    const state = newPartition(5, 'STATE', start, STATE_BYTES);
    const ephemeral = newPartition(6, 'EPHEMERAL', start + STATE_BYTES, rest);
    for (const at of [...SLOTS.map((slot) => state.start + slot), ephemeral.start]) await writeAt(card.file, at, Buffer.alloc(4096));
    const table = buildGpt({ guid: card.table.guid, diskBytes: card.bytes, partitions: [...image, state, ephemeral] });
    await writeAt(card.file, table.tailAt, table.tail);
    await card.file.sync();
    await writeAt(card.file, 0, table.head);
    await card.file.sync();
  });
}

function newPartition(number: number, label: string, start: number, bytes: number): Partition {
  const hex = randomBytes(16).toString('hex').toUpperCase();
  const guid = [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
  return { number, label, type: PARTITION_TYPE.linux, guid, start, bytes };
}

/** What stands in STATE; all undefined on an empty one, or where the card has none yet. */
export function readState(path: string): Promise<CardState> {
  return withCard(path, 'r', async (card) => (await newestSlot(card))?.state ?? {});
}

/** Puts the whole state in STATE's older slot, so that a cut leaves the last one. Throws where the card has no STATE. */
export async function writeState(path: string, state: CardState): Promise<void> {
  await withCard(path, 'r+', async (card) => {
    const { start } = partition(card, 'STATE');
    const newest = await newestSlot(card);
    const json = Buffer.from(JSON.stringify(state));
    const frame = Buffer.alloc(FRAME);
    frame.write(STATE_MAGIC, 0, 'latin1');
    frame.writeUInt32BE((newest?.sequence ?? 0) + 1, 8);
    frame.writeUInt32BE(json.length, 12);
    createHash('sha256').update(json).digest().copy(frame, 16);
    const slot = SLOTS.find((one) => one !== newest?.slot) ?? 0;
    await writeAt(card.file, start + slot, Buffer.concat([frame, json]));
    await card.file.sync();
  });
}

type Slot = { readonly slot: number; readonly sequence: number; readonly state: CardState };

async function newestSlot(card: OpenCard): Promise<Slot | undefined> {
  const start = card.table?.partitions.find((one) => one.label === 'STATE')?.start;
  if (start === undefined) return undefined;
  const read = await Promise.all(SLOTS.map((slot) => readSlot(card, start, slot)));
  return read.filter((slot) => slot !== undefined).sort((a, b) => b.sequence - a.sequence)[0];
}

async function readSlot(card: OpenCard, start: number, slot: number): Promise<Slot | undefined> {
  const frame = await readAt(card.file, start + slot, FRAME);
  if (frame.length < FRAME || frame.toString('latin1', 0, 8) !== STATE_MAGIC) return undefined;
  const length = frame.readUInt32BE(12);
  if (length > STATE_BYTES / 2 - FRAME) return undefined;
  const json = await readAt(card.file, start + slot + FRAME, length);
  if (!createHash('sha256').update(json).digest().equals(frame.subarray(16))) return undefined;
  return { slot, sequence: frame.readUInt32BE(8), state: JSON.parse(json.toString('utf8')) as CardState };
}

/** Empties STATE's bytes; nothing happens where there is none. */
export async function wipeState(card: OpenCard): Promise<void> {
  const state = card.table?.partitions.find((one) => one.label === 'STATE');
  if (!state) return;
  for (const slot of SLOTS) {
    const { length } = await readAt(card.file, state.start + slot, FRAME + 4 * MIB);
    await writeAt(card.file, state.start + slot, Buffer.alloc(length));
  }
}

/**
 * The folder that stands for the contents of EPHEMERAL, beside the card's file (`<card>.ephemeral-<id>`); made empty when the
 * partition has no id, which is so after every write of an image: all of it is lost with the card. Throws where there is no EPHEMERAL.
 */
export async function ephemeralFolder(path: string): Promise<string> {
  return withCard(path, 'r+', async (card) => {
    const { start } = partition(card, 'EPHEMERAL');
    const bytes = (await readAt(card.file, start, 24)).toString('latin1');
    const known = bytes.startsWith(EPHEMERAL_MAGIC) ? bytes.slice(8) : undefined;
    const id = known ?? randomBytes(8).toString('hex');
    if (!known) {
      await removeEphemeral(path);
      await writeAt(card.file, start, Buffer.from(EPHEMERAL_MAGIC + id, 'latin1'));
      await card.file.sync();
    }
    const folder = `${path}.ephemeral-${id}`;
    await mkdir(folder, { recursive: true, mode: 0o700 });
    return folder;
  });
}

/** Empties EPHEMERAL: its id and its folders. */
export async function wipeEphemeral(card: OpenCard, path: string): Promise<void> {
  const found = card.table?.partitions.find((one) => one.label === 'EPHEMERAL');
  if (found) await writeAt(card.file, found.start, Buffer.alloc(4096));
  await removeEphemeral(path);
}

async function removeEphemeral(path: string): Promise<void> {
  const names = await readdir(dirname(path));
  const stale = names.filter((name) => name.startsWith(`${basename(path)}.ephemeral-`));
  await Promise.all(stale.map((name) => rm(join(dirname(path), name), { recursive: true, force: true })));
}
