import assert from 'node:assert/strict';
import { renameSync } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { afterEach, beforeEach, test } from 'node:test';
import { openDevice, type OpenDevice } from '../../../nodes/cards/device.ts';
import { imageBlocks } from '../../../nodes/cards/image-blocks.ts';
import { inspectCard } from '../../../nodes/cards/inspect.ts';
import { openLedger, readLayout, type LedgerBook } from '../../../nodes/cards/ledger.ts';
import { beginCard, finishCard, putBlock } from '../../../nodes/cards/one-card.ts';
import { proveCard } from '../../../nodes/cards/prove.ts';
import { testHost, type TestHost } from '../../support/host.ts';
import { cardFile, smallImage } from './support.ts';

let host: TestHost;
beforeEach(() => { host = testHost(); });
afterEach(() => host.remove());

test('a card changed between proof and opening is refused, and nothing is written', async () => {
  const device = cardFile(host.scratch, 'card');
  const identity = await proveCard(host, device);
  renameSync(cardFile(host.scratch, 'other', Buffer.from('someone’s photos')), device);
  await assert.rejects(openDevice(identity), { code: 'E_CARD_SWAPPED' });
  assert.equal((await inspectCard(device)).kind, 'foreign');
});

test('a byte that comes back otherwise is found, in data, in META and in a hole', async () => {
  const image = smallImage(host.scratch, 'image');
  for (const [name, at] of [['data', 9 * 1024 * 1024 + 77], ['meta', image.metaAt + 20], ['hole', 20 * 1024 * 1024]] as const) {
    const device = cardFile(host.scratch, name);
    const card = await openDevice(await proveCard(host, device));
    try {
      const ledger = await fill(card, image.path);
      const lying = { ...card, reading: flipped(card.reading, at) };
      await assert.rejects(finishCard(lying, ledger, new Map([[0x0c, 'x']]), () => {}, host.signal), { code: 'E_CARD_VERIFY' }, name);
      assert.equal((await inspectCard(device)).kind, 'blank', name);
    } finally {
      await card.close();
    }
  }
});

test('a card that fails in the middle is told by its code, the head not written', async () => {
  const image = smallImage(host.scratch, 'image');
  const card = await openDevice(await proveCard(host, cardFile(host.scratch, 'card')));
  try {
    const full = { ...card, writing: failing(card.writing, 'ENOSPC') };
    await assert.rejects(fill(full, image.path), { code: 'ENOSPC' });
  } finally {
    await card.close();
  }
});

async function fill(card: OpenDevice, path: string): Promise<LedgerBook> {
  let ledger: LedgerBook | undefined;
  for await (const block of imageBlocks(path, host.signal)) {
    if (!ledger) {
      ledger = openLedger(readLayout(block, path));
      await beginCard(card, ledger.layout);
    }
    await putBlock(card, block, ledger.note(block));
  }
  assert.ok(ledger);
  return ledger;
}

/** The same file, but for one bit of what is read. */
function flipped(file: FileHandle, place: number): FileHandle {
  const read = async (buffer: Buffer, offset: number, length: number, at: number): Promise<unknown> => {
    const result = await file.read(buffer, offset, length, at);
    const index = offset + place - at;
    if (place >= at && place < at + result.bytesRead) buffer[index] = (buffer[index] ?? 0) ^ 1;
    return result;
  };
  return { read } as unknown as FileHandle;
}

/** The same file, full from 8 MiB on. */
function failing(file: FileHandle, code: string): FileHandle {
  const write = async (data: Uint8Array, offset: number, length: number, at: number): Promise<unknown> => {
    if (at >= 8 * 1024 * 1024 && at < 100 * 1024 * 1024) throw Object.assign(new Error(code), { code });
    return file.write(data, offset, length, at);
  };
  return { write, sync: () => file.sync(), datasync: () => file.datasync() } as unknown as FileHandle;
}
