import { execFileSync, spawnSync } from 'node:child_process';
import { closeSync, openSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { noise } from './image.ts';

/** Four cards of 8 GB: plain files, or loop devices over such files that go past the page cache. */
export type Cards = {
  readonly kind: 'loop' | 'file';
  readonly paths: readonly string[];
  /** Makes the first `count` cards new, or full of other data as far as the image reaches. */
  prepare(count: number, state: 'new' | 'full'): void;
  remove(): void;
};

const CARD_BYTES = 8_000_000_000;
const COUNT = 4;

/** Makes the cards in `folder`; undefined where loop devices can't be made. */
export function makeCards(folder: string, kind: 'loop' | 'file', imageBytes: number): Cards | undefined {
  const files = Array.from({ length: COUNT }, (_, index) => join(folder, `card-${kind}-${index}`));
  const old = join(folder, 'old-data');
  writeFileSync(old, noise(128 * 1024 * 1024));
  for (const file of files) {
    writeFileSync(file, '');
    truncateSync(file, CARD_BYTES);
  }
  const loops: string[] = [];
  const remove = (): void => loops.forEach((loop) => spawnSync('losetup', ['--detach', loop]));
  if (kind === 'loop') {
    for (const file of files) {
      const made = spawnSync('losetup', ['--find', '--show', '--direct-io=on', file], { encoding: 'utf8' });
      if (made.status === 0) loops.push(made.stdout.trim());
    }
    if (loops.length < COUNT) {
      remove();
      return undefined;
    }
  }
  const prepare = (count: number, state: 'new' | 'full'): void => {
    for (const file of files.slice(0, count)) {
      execFileSync('fallocate', ['--punch-hole', '--offset', '0', '--length', String(CARD_BYTES), file]);
      if (state === 'new') continue;
      const target = openSync(file, 'r+');
      const times = Math.ceil(imageBytes / (128 * 1024 * 1024));
      execFileSync('bash', ['-c', `for i in $(seq ${times}); do cat '${old}'; done | dd of=/dev/fd/3 bs=4M iflag=fullblock oflag=direct conv=notrunc,fsync status=none`], { stdio: ['ignore', 'ignore', 'inherit', target] });
      closeSync(target);
    }
    for (const loop of loops) spawnSync('blockdev', ['--flushbufs', loop]);
    execFileSync('sync');
  };
  return { kind, paths: kind === 'loop' ? loops : files, prepare, remove };
}
