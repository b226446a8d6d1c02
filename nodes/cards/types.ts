import type { Partition } from '../../lib/gpt.ts';

/** Smallest card: what is sold as 8 GB. Talos's image takes 2.4 GB, STATE and EPHEMERAL at least as much again. */
export const SMALLEST_CARD = 7_500_000_000;

/** Largest card taken without its serial: above this it is more likely someone's disk. */
export const LARGEST_CARD = 256_000_000_000;

/** What tells one card from another; proven before it is opened and again after (tenet: destruction needs proof). */
export type CardIdentity =
  | { readonly kind: 'file'; readonly path: string; readonly bytes: number; readonly dev: number; readonly ino: number }
  | { readonly kind: 'block'; readonly path: string; readonly bytes: number; readonly rdev: number; readonly diskseq?: string; readonly cid?: string };

/** A card to write: for which node, the device (by-id path, or a regular file that stands for a card), the META keys it gets. */
export type CardTarget = {
  readonly node: string;
  readonly device: string;
  /** The card's or reader's serial, or the card's CID: must match a block device; a regular file has none. */
  readonly serial?: string;
  readonly meta: ReadonlyMap<number, string>;
  /** The card as it was when a person was asked about it (`none`: none that may be written): no other is written in its place. */
  readonly asked?: CardIdentity | 'none';
};

/** The image to write: a `.raw.zst` file and what it must decode to. `given` where it is a person's own file, not a download. */
export type CardImage = { readonly path: string; readonly rawSha256?: string; readonly rawBytes?: number; readonly given?: boolean };

/** What was written, and to where. */
export type WrittenCards = {
  readonly rawSha256: string;
  readonly rawBytes: number;
  readonly cards: readonly { readonly node: string; readonly device: string }[];
};

/** What is on a card. `talos`: a partition META of exactly 1 MiB, which is what Talos itself calls installed; `meta` its keys. */
export type CardContents =
  | { readonly kind: 'missing' }
  | { readonly kind: 'blank'; readonly bytes: number }
  | { readonly kind: 'foreign'; readonly bytes: number; readonly partitions: readonly Partition[] }
  | { readonly kind: 'talos'; readonly bytes: number; readonly partitions: readonly Partition[]; readonly meta: ReadonlyMap<number, string> };
