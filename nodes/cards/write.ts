import { FirstlightError, isAbort, ManyErrors, problem } from '../../lib/errors.ts';
import type { Host } from '../../lib/host.ts';
import { createPool } from './buffers.ts';
import { cardProblem } from './card-errors.ts';
import { deviceAt, THIS_DESK, type Desk } from './desk.ts';
import { openDevice, sameCard, swapped, type OpenDevice } from './device.ts';
import { keyedDigest, sha256 } from './digests.ts';
import { beginCard, finishCard } from './one-card.ts';
import { progressOf, type Progress } from './progress.ts';
import { proveCard } from './prove.ts';
import { releaseCard } from './release.ts';
import { spreadImage } from './spread.ts';
import { warnOfStalls, watchFile, type Watched, type WatchedFile } from './stall.ts';
import type { CardImage, CardTarget, WrittenCards } from './types.ts';
import { eitherSignal } from '../../lib/signals.ts';

/** One card of a round. A card that failed keeps its error and gets nothing more. */
type Lane = { readonly target: CardTarget; readonly card: OpenDevice & { readonly file: WatchedFile }; readonly progress: Progress; error?: Error };

/** What to write, and to where: cards on this desk unless told. */
export type CardJob = { readonly image: CardImage; readonly targets: readonly CardTarget[]; readonly desk?: Desk };

/** Opens a proven card, as `openDevice` does. */
export type Open = typeof openDevice;

/** Blocks in memory, and as many more as there are cards. */
const BLOCKS = 3;

/**
 * Writes an image to several cards from one decode, each with its node's META keys, and proves each by reading all of it back.
 * The partition table comes last: whatever ends this early leaves cards that do not boot. A bad card does not stop the others;
 * its error is thrown when they are done. Nothing beyond the image is touched but the last MiB (an old table's second copy).
 * A block device is read anew by the system at the end, and ejected where it can be.
 * Events: `card.progress` {bytes, total, rate, secondsLeft, phase: 'write'|'verify'}, `card.stalled` {device, seconds},
 * `card.written` {device, bytes, ejected}.
 * Throws `E_CARD_*` (several: `E_CARDS` with all of them), `E_IMAGE_CORRUPT`, `E_IMAGE_MISSING`, the abort.
 */
export async function writeCards(host: Host, job: CardJob, open: Open = openDevice): Promise<WrittenCards> {
  const desk = job.desk ?? THIS_DESK;
  const lanes: Lane[] = [];
  const ended = new AbortController();
  try {
    const refused = await openLanes(host, { ...job, desk }, open, lanes);
    if (lanes.length === 0) throw together(refused, job.targets.length);
    void warnOfStalls(host, lanes.map(watchedOf), eitherSignal(host.signal, ended.signal));
    const pool = createPool(BLOCKS + lanes.length);
    const ledger = await spreadImage(job.image, {
      pool, signal: host.signal, digest: lanes.some((lane) => lane.card.file.digest) ? sha256 : keyedDigest(),
      lanes: lanes.map((lane) => ({
        card: lane.card,
        tell: (bytes) => lane.progress('write', bytes),
        attempt: (work) => attempt(desk, lane, work),
        begin: (layout) => { lane.progress.total(layout.rawBytes); return beginCard(lane.card, layout); },
      })),
      goesOn: () => lanes.some((lane) => !lane.error),
    });
    const { rawBytes } = ledger?.layout ?? { rawBytes: 0 };
    await settleAll(lanes.map((lane, place) => attempt(desk, lane, async () => {
      if (!ledger) return;
      await finishCard(lane.card, ledger, lane.target.meta, { pool, tell: lane.progress, signal: host.signal, place, of: lanes.length });
      await lane.card.close();
      const released = lane.card.block ? await releaseCard(host, lane.card.path, desk) : 'kept';
      host.emit({ code: 'card.written', node: lane.target.node, data: { device: lane.target.device, bytes: rawBytes, ejected: released === 'ejected' } });
    })));
    const errors = [...refused, ...lanes.flatMap((lane) => lane.error ?? [])];
    if (errors.length > 0 || !ledger) throw together(errors, job.targets.length);
    return { rawSha256: ledger.sha256, rawBytes, cards: job.targets.map(({ node, device }) => ({ node, device })) };
  } finally {
    ended.abort();
    await Promise.all(lanes.map((lane) => lane.card.close().catch(() => {})));
  }
}

/** Proves the cards, side by side, and opens each; the errors of those that may not be written. */
async function openLanes(host: Host, { targets, desk }: CardJob & { readonly desk: Desk }, open: Open, lanes: Lane[]): Promise<Error[]> {
  const refused: Error[] = [];
  const proofs = targets.map((target) => proveCard(host, target.device, target.serial === undefined ? {} : { serial: target.serial }, desk));
  await Promise.allSettled(proofs);
  for (const [index, target] of targets.entries()) {
    try {
      const identity = await proofs[index]!;
      if (lanes.some((lane) => lane.card.path === identity.path)) throw sameTwice(target);
      const { asked } = target;
      if (asked !== undefined && (asked === 'none' || !sameCard(asked, identity))) throw swapped(deviceAt(desk, target.device), 'asked about');
      const card = await open(identity, desk);
      lanes.push({ target, card: { ...card, file: watchFile(card.file, host.clock.now) }, progress: progressOf(host, target.node) });
    } catch (error) {
      if (isAbort(error)) throw error;
      refused.push(cardProblem(error, deviceAt(desk, target.device), target.node));
    }
  }
  return refused;
}

/** Does something with a card that has not failed. Its failure is kept; only an abort is thrown. */
async function attempt(desk: Desk, lane: Lane, work: () => Promise<void>): Promise<void> {
  if (lane.error) return;
  try {
    await work();
  } catch (error) {
    if (isAbort(error)) throw error;
    lane.error ??= cardProblem(error, deviceAt(desk, lane.target.device), lane.target.node);
  }
}

/** Waits for all, also where one fails: nobody writes on after the cards are closed. */
async function settleAll(work: readonly Promise<void>[]): Promise<void> {
  await Promise.allSettled(work);
  await Promise.all(work);
}

function watchedOf(lane: Lane): Watched {
  return { node: lane.target.node, device: lane.target.device, file: lane.card.file };
}

function together(errors: readonly Error[], of: number): Error {
  const [first] = errors;
  const coded = errors.filter((error) => error instanceof FirstlightError);
  if (!first || errors.length === 1 || coded.length !== errors.length) return first ?? new Error('no cards were given');
  return new ManyErrors('E_CARDS', `${errors.length} of ${of} cards were not written`, 'Each card’s own error says what to do; those written stay written.', coded);
}

function sameTwice(target: CardTarget): Error {
  return problem('E_CARD_BUSY', `${target.device} is given for two nodes`, 'Give each node its own card in nodes[].card.device, or write them one after another.');
}
