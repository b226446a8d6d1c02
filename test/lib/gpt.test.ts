import assert from 'node:assert/strict';
import { test } from 'node:test';
import { buildGpt, GPT_SECTORS, parseGpt, PARTITION_TYPE, SECTOR, type Partition } from '../../lib/gpt.ts';

const MIB = 1024 * 1024;
const guid = '0F1E2D3C-4B5A-6978-8796-A5B4C3D2E1F0';
const partitions: Partition[] = [
  { number: 1, label: 'EFI', type: PARTITION_TYPE.efi, guid: '00112233-4455-6677-8899-AABBCCDDEEFF', start: MIB, bytes: 100 * MIB },
  { number: 4, label: 'META', type: PARTITION_TYPE.linux, guid: 'FFEEDDCC-BBAA-9988-7766-554433221100', start: 200 * MIB, bytes: MIB },
];
const diskBytes = 1024 * MIB;

test('a table comes back as it was made', () => {
  const { head, tail, tailAt } = buildGpt({ guid, diskBytes, partitions });
  assert.equal(head.length, GPT_SECTORS * SECTOR);
  assert.equal(tail.length + tailAt, diskBytes);
  assert.deepEqual(parseGpt(head), { guid, lastUsable: diskBytes / SECTOR - 34, backup: diskBytes / SECTOR - 1, partitions });
});

test('GUIDs are stored in their mixed order, labels in UTF-16', () => {
  const { head } = buildGpt({ guid, diskBytes, partitions });
  assert.equal(head.toString('hex', 1024, 1040), '28732ac11ff8d211ba4b00a0c93ec93b');
  assert.equal(head.toString('hex', 1024 + 56, 1024 + 64), '4500460049000000');
});

test('every flipped bit of header and entries makes the table invalid', () => {
  const { head } = buildGpt({ guid, diskBytes, partitions });
  for (let at = SECTOR; at < SECTOR + 92; at += 1) {
    const bad = Buffer.from(head);
    bad[at] = (bad[at] ?? 0) ^ 0x10;
    assert.equal(parseGpt(bad), undefined, `header byte ${at}`);
  }
  for (let at = 2 * SECTOR; at < head.length; at += 97) {
    const bad = Buffer.from(head);
    bad[at] = (bad[at] ?? 0) ^ 0x10;
    assert.equal(parseGpt(bad), undefined, `entry byte ${at}`);
  }
});

test('partitions that overlap or leave the disk are no table; nor are zeros or too little', () => {
  const [efi, meta] = partitions as [Partition, Partition];
  for (const wrong of [[efi, { ...meta, start: 50 * MIB }], [{ ...efi, start: 0 }], [{ ...meta, bytes: 900 * MIB }]]) {
    assert.equal(parseGpt(buildGpt({ guid, diskBytes, partitions: wrong }).head), undefined);
  }
  assert.equal(parseGpt(Buffer.alloc(GPT_SECTORS * SECTOR)), undefined);
  assert.equal(parseGpt(Buffer.alloc(100)), undefined);
});
