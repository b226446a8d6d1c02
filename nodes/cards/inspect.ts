import { decodeMeta, META_BYTES } from '../../lib/adv.ts';
import { problem } from '../../lib/errors.ts';
import { readAt } from '../../lib/file-bytes.ts';
import { parseGpt } from '../../lib/gpt.ts';
import { cardProblem, errorName } from './card-errors.ts';
import { deviceAt, THIS_DESK, type Desk } from './desk.ts';
import { blockIdentity } from './prove.ts';
import type { CardContents } from './types.ts';

const MIB = 1024 * 1024;

/**
 * What is on a card (block device or file), by reading only. A write that was cut leaves `blank`: the table is written last.
 * Throws `E_CARD_ACCESS`, `E_CARD_FAILED`, `E_CARD_KIND`; a card that is not in its reader is `missing`, no error.
 */
export async function inspectCard(device: string, desk: Desk = THIS_DESK): Promise<CardContents> {
  try {
    return await inspect(device, desk);
  } catch (error) {
    if (['ENOENT', 'ENXIO', 'ENOMEDIUM'].includes(errorName(error))) return { kind: 'missing' };
    throw cardProblem(error, deviceAt(desk, device));
  }
}

async function inspect(device: string, desk: Desk): Promise<CardContents> {
  const file = await desk.open(device);
  try {
    const found = await file.stat();
    if (found.kind === 'other') throw problem('E_CARD_KIND', `${deviceAt(desk, device)} is neither a block device nor a file`, 'Name the card as /dev/disk/by-id/….');
    const bytes = found.kind === 'block' ? (await blockIdentity(device, found.rdev, desk)).bytes : found.size;
    if (bytes === 0) return { kind: 'missing' };
    const head = await readAt(file, 0, MIB);
    const partitions = parseGpt(head)?.partitions;
    if (!partitions) return head.every((byte) => byte === 0) ? { kind: 'blank', bytes } : { kind: 'foreign', bytes, partitions: [] };
    const meta = partitions.find((one) => one.label === 'META' && one.bytes === MIB);
    if (!meta) return { kind: 'foreign', bytes, partitions };
    return { kind: 'talos', bytes, partitions, meta: decodeMeta(await readAt(file, meta.start, META_BYTES)) ?? new Map() };
  } finally {
    await file.close();
  }
}
