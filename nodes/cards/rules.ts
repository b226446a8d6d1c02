import type { Disk } from './lsblk.ts';
import { LARGEST_CARD, SMALLEST_CARD } from './types.ts';

/** Why a disk may not be written as a card. */
export type Refusal = { readonly code: string; readonly what: string; readonly hint: string };

/**
 * Why this disk may not be written, or undefined. `named` means its serial was given and matches: then its size may exceed
 * the limit, and nothing else is forgiven. Loop devices are taken only when named by path (`explicit`), never proposed.
 */
export function refusal(disk: Disk, how: { readonly named: boolean; readonly explicit: boolean }): Refusal | undefined {
  const mounted = mountsOf(disk);
  if (mounted.some(isSystem)) return { code: 'E_CARD_SYSTEM', what: `holds this system (${mounted.join(', ')})`, hint: 'Name the card, not the disk this machine runs from.' };
  if (mounted.length > 0) return { code: 'E_CARD_BUSY', what: `is mounted at ${mounted.join(', ')}`, hint: 'Unmount it first, if it is the card.' };
  const loop = disk.type === 'loop';
  if (disk.type !== 'disk' && !(loop && how.explicit)) return { code: 'E_CARD_KIND', what: `is a ${disk.type || 'device'}, not a whole disk`, hint: 'Name the whole card, not a partition of it.' };
  if (/\/(sr|ram|zram)\d|\/mmcblk\d+boot\d/.test(disk.path)) return { code: 'E_CARD_KIND', what: 'is no card', hint: 'Name the card.' };
  if (/nvme|ata|pci|fabric|thunderbolt/.test(disk.transport) || /nvme/.test(disk.subsystems) || /\/nvme/.test(disk.path)) {
    return { code: 'E_CARD_KIND', what: `is an internal disk (${disk.transport || 'nvme'})`, hint: 'Cards are written in an SD or USB reader only.' };
  }
  if (!loop && !disk.removable && !/mmc|usb/.test(disk.subsystems)) return { code: 'E_CARD_KIND', what: 'is not removable', hint: 'Cards are written in an SD or USB reader only.' };
  if (disk.readOnly) return { code: 'E_CARD_READ_ONLY', what: 'is read-only', hint: 'Move the lock switch of the card or its adapter.' };
  if (disk.bytes === 0) return { code: 'E_CARD_MISSING', what: 'has no card in it', hint: 'Put the card into the reader.' };
  if (disk.bytes < SMALLEST_CARD) return { code: 'E_CARD_SMALL', what: `has ${size(disk.bytes)}`, hint: 'Talos needs a card of 8 GB or more.' };
  if (disk.bytes > LARGEST_CARD && !how.named) return { code: 'E_CARD_LARGE', what: `has ${size(disk.bytes)}, more than a card usually has`, hint: 'If it is the card, give its serial in nodes[].card.serial.' };
  return undefined;
}

/** Where a disk, or anything on it (partitions, LVM, crypt, RAID), is mounted. */
export function mountsOf(disk: Disk): string[] {
  return [...disk.mountpoints, ...disk.children.flatMap(mountsOf)];
}

function isSystem(mount: string): boolean {
  return mount === '/' || mount === '[SWAP]' || /^\/(boot|usr|var|home|nix|etc|System|private)(\/|$)/.test(mount);
}

/** Bytes for people, `63.9 GB`. */
export function size(bytes: number): string {
  return bytes >= 1e9 ? `${(bytes / 1e9).toFixed(1)} GB` : `${(bytes / 1e6).toFixed(1)} MB`;
}
