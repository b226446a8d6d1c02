import { createFacts } from '../../bootstrap/facts.ts';
import { withDesk } from '../../bootstrap/reader.ts';
import { problem } from '../../lib/errors.ts';
import { deviceAt, THIS_DESK, type Desk } from '../../nodes/cards/desk.ts';
import { refuseHeld } from '../../nodes/cards/held.ts';
import { inspectCard } from '../../nodes/cards/inspect.ts';
import { cardReport, cardText } from '../../talos/card-report.ts';
import { openCluster } from '../open-cluster.ts';
import { provideTools } from '../provide-tools.ts';
import type { CommonOptions, Session } from '../session.ts';

/** What `card inspect` may be told besides the device. */
type InspectOptions = CommonOptions & { readonly reader?: string };

/**
 * `firstlight card inspect DEVICE`: what a card is, by reading only; with `--reader CLUSTER` in that cluster's card reader, else in
 * one of this machine. Throws `E_CARD_MISSING|ACCESS|BUSY|FAILED|KIND`, `E_USAGE_READER`, what the reader throws.
 */
export async function inspectCommand(session: Session, device: string | undefined, options: InspectOptions): Promise<number> {
  if (device === undefined) throw problem('E_USAGE_DEVICE', 'no card was named', 'Name its device: firstlight card inspect /dev/disk/by-id/….');
  await atDesk(session, options.reader, async (desk) => {
    await refuseHeld(session.host, device, desk);
    const card = await inspectCard(device, desk);
    if (card.kind === 'missing') throw problem('E_CARD_MISSING', `there is no card at ${deviceAt(desk, device)}`, 'Put it into the reader, or name another device; `lsblk` lists them.');
    const report = cardReport(device, card);
    process.stdout.write(options.json ? `${JSON.stringify({ code: 'card', data: report })}\n` : `${cardText(report)}\n`);
  });
  return 0;
}

async function atDesk(session: Session, argument: string | undefined, work: (desk: Desk) => Promise<void>): Promise<void> {
  if (argument === undefined) return work(THIS_DESK);
  const cluster = await openCluster(argument);
  if (!cluster.reader) throw problem('E_USAGE_READER', `cluster ${cluster.name} has no reader: its cards are written at this machine`, 'Leave --reader out, or add the section reader to cluster.yaml.');
  await provideTools(session, ['sops']);
  await withDesk(createFacts(cluster, session.host.scratch), session.host, work);
}
