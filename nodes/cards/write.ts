import { FirstlightError, isAbort, ManyErrors, problem } from '../../lib/errors.ts';
import type { Host } from '../../lib/host.ts';
import { cardProblem } from './card-errors.ts';
import { openDevice, type OpenDevice } from './device.ts';
import { imageBlocks } from './image-blocks.ts';
import { openLedger, readLayout, type ImageLayout, type LedgerBook } from './ledger.ts';
import { beginCard, finishCard, putBlock } from './one-card.ts';
import { progressOf, type Progress } from './progress.ts';
import { proveCard } from './prove.ts';
import type { CardImage, CardTarget, WrittenCards } from './types.ts';

/** One card of a round. A card that failed keeps its error and gets nothing more. */
type Lane = { readonly target: CardTarget; readonly card: OpenDevice; readonly progress: Progress; error?: Error };

/**
 * Writes an image to several cards from one decode, each with its node's META keys, and proves each by reading all of it back.
 * The partition table comes last: whatever ends this early leaves cards that do not boot. A bad card does not stop the others;
 * its error is thrown when they are done. Nothing beyond the image is touched but the last MiB (an old table's second copy).
 * Events: `card.progress` {bytes, total, rate, secondsLeft, phase: 'write'|'verify'}, `card.written`.
 * Throws `E_CARD_*` (several: `E_CARDS` with all of them), `E_IMAGE_CORRUPT`, `E_IMAGE_MISSING`, the abort.
 */
export async function writeCards(host: Host, job: { readonly image: CardImage; readonly targets: readonly CardTarget[] }): Promise<WrittenCards> {
  const lanes: Lane[] = [];
  const refused: Error[] = [];
  try {
    for (const target of job.targets) {
      try {
        const identity = await proveCard(host, target.device, target.serial === undefined ? {} : { serial: target.serial });
        if (lanes.some((lane) => lane.card.path === identity.path)) throw sameTwice(target);
        lanes.push({ target, card: await openDevice(identity), progress: progressOf(host, target.node) });
      } catch (error) {
        refused.push(cardProblem(error, target.device, target.node));
      }
    }
    if (lanes.length === 0) throw together(refused, job.targets.length);
    const ledger = await spread(host, job.image, lanes);
    await each(lanes, async (lane) => {
      await finishCard(lane.card, ledger, lane.target.meta, lane.progress, host.signal);
      host.emit({ code: 'card.written', node: lane.target.node, data: { device: lane.target.device, bytes: ledger.layout.rawBytes } });
    });
    const errors = [...refused, ...lanes.flatMap((lane) => lane.error ?? [])];
    if (errors.length > 0) throw together(errors, job.targets.length);
    return {
      rawSha256: ledger.sha256, rawBytes: ledger.layout.rawBytes,
      cards: job.targets.map(({ node, device }) => ({ node, device })),
    };
  } finally {
    await Promise.all(lanes.map((lane) => lane.card.close().catch(() => {})));
  }
}

/** Decodes the image once, to all cards that still take it. */
async function spread(host: Host, image: CardImage, lanes: readonly Lane[]): Promise<LedgerBook & { sha256: string }> {
  let ledger: LedgerBook | undefined;
  let bytes = 0;
  for await (const block of imageBlocks(image.path, host.signal)) {
    if (!ledger) {
      ledger = openLedger(checkedLayout(readLayout(block, image.path), image));
      const { layout } = ledger;
      await each(lanes, (lane) => { lane.progress.total(layout.rawBytes); return beginCard(lane.card, layout); });
    }
    bytes = block.at + block.data.length;
    if (bytes > ledger.layout.rawBytes) break;
    const zero = ledger.note(block);
    await each(lanes, async (lane) => {
      await putBlock(lane.card, block, zero);
      lane.progress('write', bytes);
    });
    if (lanes.every((lane) => lane.error)) throw together(lanes.flatMap((lane) => lane.error ?? []), lanes.length);
  }
  const sha256 = ledger?.whole.digest('hex') ?? '';
  if (!ledger || bytes !== ledger.layout.rawBytes) throw corrupt(image, 'is not as long as its partition table says');
  if (image.rawSha256 !== undefined && sha256 !== image.rawSha256) throw corrupt(image, 'does not decode to the pinned bytes');
  return { ...ledger, sha256 };
}

function checkedLayout(layout: ImageLayout, image: CardImage): ImageLayout {
  if (image.rawBytes !== undefined && layout.rawBytes !== image.rawBytes) throw corrupt(image, 'is not as long as the pinned one');
  return layout;
}

/** Does the same with every card that has not failed, side by side. */
async function each(lanes: readonly Lane[], work: (lane: Lane) => Promise<void>): Promise<void> {
  await Promise.all(lanes.filter((lane) => !lane.error).map(async (lane) => {
    try {
      await work(lane);
    } catch (error) {
      if (isAbort(error)) throw error;
      lane.error = cardProblem(error, lane.target.device, lane.target.node);
    }
  }));
}

function together(errors: readonly Error[], of: number): Error {
  const [first] = errors;
  const coded = errors.filter((error) => error instanceof FirstlightError);
  if (!first || errors.length === 1 || coded.length !== errors.length) return first ?? new Error('no cards were given');
  return new ManyErrors('E_CARDS', `${errors.length} of ${of} cards were not written`, 'Each card’s own error says what to do; those written stay written.', coded);
}

function corrupt(image: CardImage, what: string): Error {
  return problem('E_IMAGE_CORRUPT', `the image ${image.path} ${what}`, 'Remove it and run again: it is downloaded anew. The cards have no partition table and do not boot.');
}

function sameTwice(target: CardTarget): Error {
  return problem('E_CARD_BUSY', `${target.device} is given for two nodes`, 'Give each node its own card in nodes[].card.device, or write them one after another.');
}
