import { readBlocks, readCapacity, writeBlocks } from '../../../lib/iscsi/scsi.ts';
import type { IscsiSession } from '../../../lib/iscsi/session.ts';

/** What a canary block says: whose volume it is, how often it was written, and by whom the last time. */
export type Canary = { readonly canary: 1; readonly cluster: string; readonly claim: string; readonly count: number; readonly node: string; readonly initiator: string };

/**
 * What was found at a mount. `written`: the LUN was empty and has its first canary now. `read back`: the claim's own canary was there
 * (as `before`), and the next is written (`now`; undefined where the volume is read only). `foreign`: another claim's canary.
 * `data`: something else. Neither of the last two is touched.
 */
export type CanaryFinding =
  | { readonly kind: 'written'; readonly now: Canary }
  | { readonly kind: 'read back'; readonly before: Canary; readonly now: Canary | undefined }
  | { readonly kind: 'foreign'; readonly before: Canary }
  | { readonly kind: 'empty' | 'data' };

/** Where every file system has its mark, and nothing may stand besides the canary in the first block: 128 KiB. */
const LOOK_BYTES = 131_072;

/**
 * Reads the canary of a claim's LUN, and writes the first or the next one in the first block, in place of the file system that a
 * real node would make and mount; what is written is read again. Throws `E_ISCSI_LUN` and what ends a session.
 */
export async function tendCanary(session: IscsiSession, lun: number, mine: Omit<Canary, 'canary' | 'count'>, readOnly: boolean): Promise<CanaryFinding> {
  const { blocks, blockBytes } = await readCapacity(session, lun);
  const head = await readBlocks(session, lun, 0, Math.min(blocks, LOOK_BYTES / blockBytes), blockBytes);
  const before = parseCanary(head.subarray(0, blockBytes));
  const rest = head.subarray(before ? blockBytes : 0);
  if (rest.some((byte) => byte !== 0)) return { kind: 'data' };
  if (before && (before.cluster !== mine.cluster || before.claim !== mine.claim)) return { kind: 'foreign', before };
  const now: Canary | undefined = readOnly ? undefined : { canary: 1, ...mine, count: (before?.count ?? 0) + 1 };
  if (now) {
    const block = canaryBlock(now, blockBytes);
    await writeBlocks(session, lun, 0, block, blockBytes);
    if (!block.equals(await readBlocks(session, lun, 0, 1, blockBytes))) throw new Error('the canary that was just written is not what is read');
  }
  if (before) return { kind: 'read back', before, now };
  return now ? { kind: 'written', now } : { kind: 'empty' };
}

/** One finding in words, for an event and for people. */
export function findingText(finding: CanaryFinding): string {
  switch (finding.kind) {
    case 'written': return `the LUN was empty: canary ${finding.now.count} of ${finding.now.claim} written by ${finding.now.node} and read back`;
    case 'read back': return `canary ${finding.before.count} of ${finding.before.claim}, written by ${finding.before.node}, read back${finding.now ? `; canary ${finding.now.count} written by ${finding.now.node}` : ''}`;
    case 'foreign': return `the LUN holds the canary of ${finding.before.claim} of cluster ${finding.before.cluster}: left alone`;
    case 'empty': return 'the LUN is empty, and mounted read only';
    case 'data': return 'the LUN holds data that is no canary: left alone';
  }
}

/** A canary as the first block of its LUN. */
export function canaryBlock(canary: Canary, blockBytes: number): Buffer {
  const block = Buffer.alloc(blockBytes);
  block.write(JSON.stringify(canary));
  return block;
}

function parseCanary(block: Buffer): Canary | undefined {
  const end = block.indexOf(0);
  try {
    const read = JSON.parse(block.subarray(0, end < 0 ? block.length : end).toString()) as Canary | null;
    return read?.canary === 1 ? read : undefined;
  } catch {
    return undefined;
  }
}
