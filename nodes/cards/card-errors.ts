import { FirstlightError, isAbort, located, problem } from '../../lib/errors.ts';

type Words = readonly [code: string, what: string, hint: string];

const BY_ERRNO: Readonly<Record<string, Words>> = {
  ENOENT: ['E_CARD_MISSING', 'is not there', 'Put the card into the reader, or mend nodes[].card.device in cluster.yaml.'],
  ENXIO: ['E_CARD_MISSING', 'has no card in it', 'Put the card into the reader.'],
  ENOMEDIUM: ['E_CARD_MISSING', 'has no card in it', 'Put the card into the reader.'],
  EBUSY: ['E_CARD_BUSY', 'is in use by something else', 'Unmount it (`lsblk` tells what is mounted) and close what uses it.'],
  EACCES: ['E_CARD_ACCESS', 'may not be written by you', 'Run firstlight with the rights to write the card (group disk, or root).'],
  EPERM: ['E_CARD_ACCESS', 'may not be written by you', 'Run firstlight with the rights to write the card (group disk, or root).'],
  EROFS: ['E_CARD_READ_ONLY', 'is read-only', 'Move the lock switch of the card or its adapter.'],
  ENOSPC: ['E_CARD_SMALL', 'ended before the image did', 'The card is smaller than it says: use another.'],
  EIO: ['E_CARD_FAILED', 'failed while being read or written', 'The card or its reader is failing: try another card.'],
  ENODATA: ['E_CARD_FAILED', 'failed while being read or written', 'The card or its reader is failing: try another card.'],
  EREMOTEIO: ['E_CARD_FAILED', 'failed while being read or written', 'The card or its reader is failing: try another card.'],
  ETIMEDOUT: ['E_CARD_FAILED', 'gave no answer', 'The card or its reader is failing: try another card.'],
  ENODEV: ['E_CARD_FAILED', 'vanished', 'The card or its reader was pulled or is failing: put it back and run again.'],
};

// Linux's number; libuv has no name for it.
const ENOMEDIUM = -123;

/** The name of a system error (`ENOENT`), also of one that Node has no name for; empty for anything else. */
export function errorName(error: unknown): string {
  const { code, errno } = error as NodeJS.ErrnoException;
  return errno === ENOMEDIUM ? 'ENOMEDIUM' : String(code ?? '');
}

/** Any failure around a card as a coded error that names the device and node; aborts and coded errors keep what they are. */
export function cardProblem(error: unknown, device: string, node?: string): Error {
  const where = node === undefined ? {} : { node };
  if (isAbort(error)) return error as Error;
  if (error instanceof FirstlightError) return located(error, where);
  const words = BY_ERRNO[errorName(error)];
  return words ? problem(words[0], `the card ${device} ${words[1]}`, words[2], { where, cause: error }) : located(error, where);
}
