import type { CardContents } from '../nodes/cards/types.ts';
import { size } from '../nodes/cards/rules.ts';
import { NETWORK_KEY, parseNetwork } from './meta-network.ts';
import { IMAGE_KEY, parseImageMark, parseStamp, STAMP_KEY, type ImageMark, type Stamp } from './stamp.ts';

/**
 * What a card is, for people and programs. `used`: a board has kept its state on it. `network`: the addresses (CIDR) that a board
 * takes from it before any config. Sizes are bytes.
 */
export type CardReport = {
  readonly device: string;
  readonly kind: 'blank' | 'foreign' | 'talos';
  readonly bytes: number;
  readonly partitions: readonly { readonly label: string; readonly bytes: number }[];
  readonly used: boolean;
  readonly stamp?: Stamp;
  readonly image?: ImageMark;
  readonly network?: { readonly addresses: readonly string[]; readonly gateways: readonly string[] };
};

/** Makes the report of a card that is in its reader. */
export function cardReport(device: string, card: Exclude<CardContents, { kind: 'missing' }>): CardReport {
  const partitions = card.kind === 'blank' ? [] : card.partitions.map(({ label, bytes }) => ({ label, bytes }));
  const meta = card.kind === 'talos' ? card.meta : new Map<number, string>();
  const [stamp, image, network] = [parseStamp(meta.get(STAMP_KEY)), parseImageMark(meta.get(IMAGE_KEY)), parseNetwork(meta.get(NETWORK_KEY))];
  return {
    device, kind: card.kind, bytes: card.bytes, partitions,
    // Talos makes STATE when it first gets a config (siderolabs/talos:internal/app/machined/pkg/controllers/block).
    used: card.kind === 'talos' && partitions.some((one) => one.label === 'STATE'),
    ...(stamp === undefined ? {} : { stamp }), ...(image === undefined ? {} : { image }), ...(network === undefined ? {} : { network }),
  };
}

/** The report as lines for a person. */
export function cardText(report: CardReport): string {
  const { stamp, image, network } = report;
  const parts = report.partitions.map((one) => `${one.label || 'nameless'} ${size(one.bytes)}`).join(', ');
  const what = report.kind === 'blank' ? 'blank: no partition table'
    : report.kind === 'foreign' ? (parts === '' ? 'foreign: data without a GUID partition table' : 'foreign: not a Talos card')
    : report.used ? 'a Talos card that a board has used' : 'a Talos card, not used yet';
  return [
    `${report.device}  ${size(report.bytes)}`,
    `  is          ${what}`,
    ...(report.kind !== 'talos' ? [] : [`  belongs to  ${stamp ? `${stamp.node} of cluster ${stamp.cluster}` : 'nobody: it has no stamp'}`]),
    ...(image === undefined ? [] : [`  image       Talos ${image.version}, schematic ${image.schematic.slice(0, 12)}, sha256 ${image.rawSha256.slice(0, 12)}`]),
    ...(network === undefined ? [] : [`  address     ${network.addresses.join(', ')} by ${network.gateways.join(', ') || 'no gateway'}, without any DHCP server`]),
    ...(parts === '' ? [] : [`  partitions  ${parts}`]),
  ].join('\n');
}
