import { z } from 'zod';

/** A text that DSM may leave out or give as null. */
export const textOrNone = z.string().nullish().transform((text) => text ?? '');

/** A list that DSM may leave out or give as null. */
export function listOrNone<T extends z.ZodType>(item: T) {
  return z.array(item).nullish().transform((list) => list ?? []);
}
