/**
 * Does `work` for 0…count-1, in order, at most `width` at once. After a failure nothing more is begun; the first error is
 * thrown when all that was begun has ended.
 */
export async function sideBySide(count: number, width: number, work: (index: number) => Promise<void>): Promise<void> {
  const errors: unknown[] = [];
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < count && errors.length === 0) {
      const index = next;
      next += 1;
      await work(index).catch((error: unknown) => { errors.push(error); });
    }
  };
  await Promise.all(Array.from({ length: width }, worker));
  if (errors.length > 0) throw errors[0];
}

/** Lets at most `width` things be under way. The first failure is thrown by the next `add` and by `end`. */
export function createQueue(width: number): { add(work: () => Promise<void>): Promise<void>; end(): Promise<void> } {
  const under = new Set<Promise<void>>();
  const errors: unknown[] = [];
  const check = (): void => { if (errors.length > 0) throw errors[0]; };
  return {
    add: async (work) => {
      while (under.size >= width) await Promise.race(under);
      check();
      const done: Promise<void> = work().catch((error: unknown) => { errors.push(error); }).finally(() => { under.delete(done); });
      under.add(done);
    },
    end: async () => {
      await Promise.all(under);
      check();
    },
  };
}
