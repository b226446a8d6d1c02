import { problem } from '../../lib/errors.ts';
import { inspectCard } from '../../nodes/cards/inspect.ts';
import { cardReport, cardText } from '../../talos/card-report.ts';
import type { CommonOptions, Session } from '../session.ts';

/** `firstlight card inspect DEVICE`: what a card is, by reading only; needs no cluster. Throws `E_CARD_MISSING|ACCESS|BUSY|FAILED|KIND`. */
export async function inspectCommand(_session: Session, device: string | undefined, options: CommonOptions): Promise<number> {
  if (device === undefined) throw problem('E_USAGE_DEVICE', 'no card was named', 'Name its device: firstlight card inspect /dev/disk/by-id/….');
  const card = await inspectCard(device);
  if (card.kind === 'missing') throw problem('E_CARD_MISSING', `there is no card at ${device}`, 'Put it into the reader, or name another device; `lsblk` lists them.');
  const report = cardReport(device, card);
  process.stdout.write(options.json ? `${JSON.stringify({ code: 'card', data: report })}\n` : `${cardText(report)}\n`);
  return 0;
}
