/** Room for builds: how many run side by side, and how much memory (MiB) they may take together. */
export type Slots = { <T>(memoryMiB: number, work: () => Promise<T>): Promise<T> };

/**
 * Makes room for `width` works of `memoryMiB` together. A work waits until both suffice, in order of asking; one that is
 * larger than everything runs alone.
 */
export function createSlots(width: number, memoryMiB: number): Slots {
  let running = 0;
  let used = 0;
  const waiting: { readonly need: number; readonly start: () => void }[] = [];
  const fits = (need: number): boolean => running === 0 || (running < width && used + need <= memoryMiB);
  const next = (): void => {
    for (let first = waiting[0]; first && fits(first.need); first = waiting[0]) {
      waiting.shift();
      running += 1;
      used += first.need;
      first.start();
    }
  };
  return async (need, work) => {
    await new Promise<void>((start) => {
      waiting.push({ need, start });
      next();
    });
    try {
      return await work();
    } finally {
      running -= 1;
      used -= need;
      next();
    }
  };
}
