import type { CardContents } from '../nodes/cards/types.ts';
import { NETWORK_KEY, networkChange } from './meta-network.ts';

/** The META key that holds the stamp: UserReserved1 of siderolabs/talos:pkg/machinery/meta/constants.go. */
export const STAMP_KEY = 0x0c;

/** What a card says of itself: written at flash time, read back from the board that booted it. `nonce` is lower-case hex. */
export type Stamp = { readonly cluster: string; readonly node: string; readonly nonce: string };

/** The stamp as the value of its META key: one line of JSON, members always in this order. */
export function encodeStamp(stamp: Stamp): string {
  return JSON.stringify({ firstlight: 1, cluster: stamp.cluster, node: stamp.node, nonce: stamp.nonce });
}

/** The stamp in a META value, or undefined where the value is missing or is no stamp of this format. Never throws. */
export function parseStamp(value: string | undefined): Stamp | undefined {
  if (value === undefined) return undefined;
  const read = readJson(value);
  if (typeof read !== 'object' || read === null) return undefined;
  const { firstlight, cluster, node, nonce } = read as Record<string, unknown>;
  if (firstlight !== 1 || typeof cluster !== 'string' || typeof node !== 'string' || typeof nonce !== 'string') return undefined;
  if (cluster === '' || node === '' || !/^[0-9a-f]+$/.test(nonce)) return undefined;
  return { cluster, node, nonce };
}

/** The META key that says which image was written with the stamp: UserReserved2 of the same file. */
export const IMAGE_KEY = 0x0d;

/** Which image a card was written with: schematic id (`by hand` for a file), Talos version, SHA-256 of the raw image in hex. An upgrade leaves it as it is. */
export type ImageMark = { readonly schematic: string; readonly version: string; readonly rawSha256: string };

/** The META keys a card gets at flash time: its stamp, the image it holds, and where told its node's network (`networkValue`). */
export function cardKeys(stamp: Stamp, image: ImageMark, network?: string): Map<number, string> {
  const { schematic, version, rawSha256 } = image;
  const own: [number, string][] = [[STAMP_KEY, encodeStamp(stamp)], [IMAGE_KEY, JSON.stringify({ firstlight: 1, schematic, version, rawSha256 })]];
  return new Map(network === undefined ? own : [[NETWORK_KEY, network], ...own]);
}

/** The image mark in a META value, or undefined where it is missing or none. Never throws. */
export function parseImageMark(value: string | undefined): ImageMark | undefined {
  const read = value === undefined ? undefined : readJson(value);
  if (typeof read !== 'object' || read === null) return undefined;
  const { firstlight, schematic, version, rawSha256 } = read as Record<string, unknown>;
  if (firstlight !== 1 || typeof schematic !== 'string' || typeof version !== 'string' || typeof rawSha256 !== 'string') return undefined;
  return { schematic, version, rawSha256 };
}

/** Whose card is asked for; `network` is what META should say of the network (`networkValue`), `nonce` that of the node's newest card, where it is known: an older one is not its card. */
export type CardOwner = { readonly cluster: string; readonly node: string; readonly network?: string | undefined; readonly nonce?: string | undefined };

/**
 * Why a card is not this node's card with this image and has to be written; undefined when it need not be. A card of this node
 * that was in use (it has STATE) counts as its card whatever image it began with: writing it would lose the node's data.
 */
export function cardLacks(card: CardContents, of: CardOwner, rawSha256: string | undefined): string | undefined {
  if (card.kind !== 'talos') return `it is ${card.kind}`;
  const stamp = parseStamp(card.meta.get(STAMP_KEY));
  if (!stamp) return 'it has no stamp';
  if (stamp.cluster !== of.cluster || stamp.node !== of.node) return `it is the card of ${stamp.node} in ${stamp.cluster}`;
  if (of.nonce !== undefined && stamp.nonce !== of.nonce) return `it is an older card of ${of.node}`;
  if (card.partitions.some((one) => one.label === 'STATE')) return undefined;
  if (networkChange(of.network, card.meta.get(NETWORK_KEY)) !== undefined) return 'it carries another network than cluster.yaml tells';
  const mark = parseImageMark(card.meta.get(IMAGE_KEY));
  return mark !== undefined && mark.rawSha256 === rawSha256 ? undefined : `it holds another image${mark ? ` (${mark.version})` : ''}`;
}

function readJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
