import * as z from 'zod';
import * as format from './formats.ts';
import { text } from './schema-parts.ts';

const length = format.matches(/^\d+(\.\d+)? ?(s|min|h|d)$/, 'E_INVENTORY_LENGTH', 'a length of time', 'Write a number and s, min, h or d, like 90 s or 10 min.');

/** The section `rehearsal`. */
export const rehearsal = z.strictObject({
  assumptions: z.strictObject({
    cardMBs: z.number().positive().max(1000).meta({ description: 'Megabytes a second at which a card is written and read back.' }).optional(),
    boot: text('How long a board takes to boot.', length, ['2 min']).optional(),
    pull: text('How long a new card takes to pull its images on your line.', length, ['3 min']).optional(),
    hands: text('How long you take to exchange one board or card.', length, ['10 min']).optional(),
  }).meta({ description: 'What your hardware, your line and your hands take; else what your own runs showed, else what is usual.' }).optional(),
  budgets: z.record(z.string(), z.strictObject({
    rto: text('In what time the real cluster has to be back.', length, ['45 min']).optional(),
    rpo: text('How old at most what comes back may be.', length, ['24 h']).optional(),
  })).meta({ description: 'Budgets by the scenario\'s name, in place of its own.' }).optional(),
});

/** Milliseconds of `25 min`. */
export function milliseconds(words: string): number {
  const [, number = '0', unit = 's'] = /^([\d.]+)\s*(\w+)$/.exec(words) ?? [];
  return Math.round(Number(number) * { s: 1_000, min: 60_000, h: 3_600_000, d: 86_400_000 }[unit as 's' | 'min' | 'h' | 'd']);
}
