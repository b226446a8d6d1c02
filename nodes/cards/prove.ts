import { basename } from 'node:path';
import { problem } from '../../lib/errors.ts';
import { readAt } from '../../lib/file-bytes.ts';
import type { Host } from '../../lib/host.ts';
import { cardProblem } from './card-errors.ts';
import { deviceAt, hostAt, THIS_DESK, type Desk } from './desk.ts';
import { disksOf } from './disks.ts';
import type { Disk } from './lsblk.ts';
import { refusal, size } from './rules.ts';
import { SMALLEST_CARD, type CardIdentity } from './types.ts';

/** A disk that may be a card. */
export type CardCandidate = { readonly device: string; readonly bytes: number; readonly model: string; readonly serial: string };

/** The disks that could be the card, by the rules; the others are left out. Throws what `disksOf` throws. */
export async function cardCandidates(host: Host, desk: Desk = THIS_DESK): Promise<CardCandidate[]> {
  const disks = await disksOf(hostAt(host, desk));
  return disks.filter((disk) => refusal(disk, { named: false, explicit: false }) === undefined).map(candidate);
}

/** The disks with this serial (lsblk's, or the card's CID or serial in sysfs) that may be written; more than one where readers lie. */
export async function cardsWithSerial(host: Host, serial: string, desk: Desk = THIS_DESK): Promise<CardCandidate[]> {
  const found: CardCandidate[] = [];
  for (const disk of await disksOf(hostAt(host, desk))) {
    if (refusal(disk, { named: true, explicit: false })) continue;
    const cid = await desk.fact(`/sys/class/block/${basename(disk.path)}/device/cid`);
    if ((await serialsOf(desk, disk, cid)).some((one) => sameSerial(one, serial))) found.push(candidate(disk));
  }
  return found;
}

function candidate(disk: Disk): CardCandidate {
  return { device: disk.path, bytes: disk.bytes, model: disk.model, serial: disk.serial };
}

/**
 * Proves that a device may be written as a card and gives what tells it from any other. A regular file stands for a card where
 * the inventory names one. A block device must pass the rules (never the system's disk, a mounted one, NVMe, SATA, read-only,
 * too small or large) and have the serial, where one is given: lsblk's, or the card's CID or serial in sysfs.
 * Throws `E_CARD_MISSING|BUSY|SYSTEM|KIND|READ_ONLY|SMALL|LARGE|SERIAL|ACCESS|TOOLS`, `E_LSBLK`, `E_DISKUTIL`.
 */
export async function proveCard(host: Host, device: string, expected: { readonly serial?: string } = {}, desk: Desk = THIS_DESK): Promise<CardIdentity> {
  const refuse = (why: { code: string; what: string; hint: string }): Error => problem(why.code, `${deviceAt(desk, device)} ${why.what}`, why.hint);
  const path = await desk.realpath(device).catch((error: unknown) => { throw cardProblem(error, deviceAt(desk, device)); });
  const found = await desk.stat(path);
  if (found.kind === 'file') {
    if (found.size < SMALLEST_CARD) throw refuse({ code: 'E_CARD_SMALL', what: `has ${size(found.size)}`, hint: 'Talos needs a card of 8 GB or more.' });
    return { kind: 'file', path, bytes: found.size, dev: found.dev, ino: found.ino };
  }
  if (found.kind !== 'block') throw refuse({ code: 'E_CARD_KIND', what: 'is neither a block device nor a file', hint: 'Name the card as /dev/disk/by-id/….' });
  const disk = (await disksOf(hostAt(host, desk), path))[0];
  if (!disk) throw refuse({ code: 'E_CARD_MISSING', what: 'is not known to this system', hint: 'Put the card into the reader.' });
  const identity = await blockIdentity(path, found.rdev, desk);
  const { serial } = expected;
  const known = serial === undefined ? [] : await serialsOf(desk, disk, identity.cid);
  if (serial !== undefined && !known.some((one) => sameSerial(one, serial))) {
    throw refuse({ code: 'E_CARD_SERIAL', what: `is another card: it says ${known.join(', ') || 'no serial'}, not ${serial}`, hint: 'Put the right card in, or mend nodes[].card.serial in cluster.yaml.' });
  }
  const why = refusal(disk, { named: serial !== undefined, explicit: true });
  if (why) throw refuse(why);
  return identity;
}

/**
 * Identity of a block device by its number, from sysfs: what stays the same while a card is in, and not when it is changed.
 * A system without sysfs tells number and size only.
 */
export async function blockIdentity(path: string, rdev: number, desk: Desk = THIS_DESK): Promise<CardIdentity & { kind: 'block' }> {
  const sys = `/sys/dev/block/${(rdev >> 8) & 0xfff}:${(rdev & 0xff) | ((rdev >>> 12) & 0xfff00)}`;
  const [sectors, diskseq, cid] = await Promise.all(['size', 'diskseq', 'device/cid'].map((name) => desk.fact(`${sys}/${name}`)));
  return {
    kind: 'block', path, rdev, bytes: sectors === undefined ? await sizeByReading(path, desk) : Number(sectors) * 512,
    ...(diskseq === undefined ? {} : { diskseq }), ...(cid === undefined ? {} : { cid }),
  };
}

async function serialsOf(desk: Desk, disk: Disk, cid: string | undefined): Promise<string[]> {
  const own = await desk.fact(`/sys/class/block/${basename(disk.path)}/device/serial`);
  return [disk.serial, cid, own].filter((one) => one !== undefined && one !== '') as string[];
}

function sameSerial(one: string, other: string): boolean {
  return one.toLowerCase() === other.toLowerCase();
}

/** Bytes of a device or file, found by looking where reading ends: for systems that tell no size of a device. */
export async function sizeByReading(path: string, desk: Desk = THIS_DESK): Promise<number> {
  const file = await desk.open(path);
  try {
    const there = async (sector: number): Promise<boolean> => (await readAt(file, sector * 512, 512)).length === 512;
    let past = 1;
    while (await there(past - 1)) past *= 2;
    let before = 0;
    while (before + 1 < past) {
      const middle = Math.floor((before + past) / 2);
      if (await there(middle - 1)) before = middle;
      else past = middle;
    }
    return before * 512;
  } finally {
    await file.close();
  }
}
