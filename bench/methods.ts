import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { BenchImage } from './image.ts';

/** A way to write cards, as a line of bash over the cards it gets. */
export type Method = { readonly name: string; readonly cards: number; line(devices: readonly string[]): string };

export const OURS = 'firstlight: write, read back, compare';
export const OURS_FOUR = 'firstlight: the same, four cards from one decode';
export const DD_CMP = 'zstd -dc | dd oflag=direct bs=4M, then zstd -dc | cmp';
export const DD_CMP_DIRECT = 'the same, but cmp gets the card from dd iflag=direct';
export const RAW_WRITE = 'limit: raw write (dd from /dev/zero)';
export const RAW_READ = 'limit: raw read (dd to /dev/null)';

/** All ways to write an image that this machine has the programs for. */
export function methodsFor(image: BenchImage): Method[] {
  const flash = `'${process.execPath}' '${fileURLToPath(new URL('flash.ts', import.meta.url))}' '${image.zst}'`;
  const write = 'bs=4M iflag=fullblock oflag=direct conv=notrunc,fsync status=none';
  const one = (name: string, line: (device: string) => string): Method => ({ name, cards: 1, line: ([device = '']) => line(device) });
  const count = Math.ceil(image.rawBytes / (4 * 1024 * 1024));
  return [
    one(OURS, (device) => `${flash} '${device}'`),
    { name: OURS_FOUR, cards: 4, line: (devices) => `${flash} ${devices.map((device) => `'${device}'`).join(' ')}` },
    one(DD_CMP, (device) => `zstd -dcq '${image.zst}' | dd of='${device}' ${write} && zstd -dcq '${image.zst}' | cmp -n ${image.rawBytes} - '${device}'`),
    one(DD_CMP_DIRECT, (device) => `zstd -dcq '${image.zst}' > '${image.pipe}' & other=$!; zstd -dcq '${image.zst}' | dd of='${device}' ${write} && `
      + `dd if='${device}' bs=4M count=${image.rawBytes} iflag=direct,count_bytes status=none | cmp -n ${image.rawBytes} - '${image.pipe}' && wait $other || { kill $other; false; }`),
    one('zstd -dc | dd oflag=direct bs=4M (nothing compared)', (device) => `zstd -dcq '${image.zst}' | dd of='${device}' ${write}`),
    one('xz -dc | dd oflag=direct bs=4M (nothing compared)', (device) => `xz -dcq '${image.xz}' | dd of='${device}' ${write}`),
    ...(image.bmap !== undefined && has('bmaptool') ? [
      one('bmaptool copy --bmap (nothing compared; skips what the image leaves empty)', (device) => `bmaptool -q copy --bmap '${image.bmap}' '${image.zst}' '${device}'`),
      one('bmaptool copy --nobmap (nothing compared)', (device) => `bmaptool -q copy --nobmap '${image.zst}' '${device}'`),
    ] : []),
    one(RAW_WRITE, (device) => `dd if=/dev/zero of='${device}' bs=4M count=${count} oflag=direct conv=notrunc,fsync status=none`),
    one(RAW_READ, (device) => `dd if='${device}' of=/dev/null bs=4M count=${count} iflag=direct status=none`),
  ];
}

/** Whether a program is there. */
export function has(program: string): boolean {
  return spawnSync('bash', ['-c', `command -v ${program}`], { stdio: 'ignore' }).status === 0;
}
