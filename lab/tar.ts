import { gzipSync } from 'node:zlib';

const BLOCK = 512;

/** A file of an archive: `name` with slashes, up to 100 bytes or splittable at a slash as ustar does; mode 0644 and time 0 unless told. */
export type TarFile = { readonly name: string; readonly data: Uint8Array | string; readonly mode?: number; readonly seconds?: number };

/** A gzipped ustar archive. The same files in the same order give the same bytes. Throws where a name is too long. */
export function gzipTar(files: readonly TarFile[]): Buffer {
  return gzipSync(Buffer.concat([...files.flatMap(blocksOf), Buffer.alloc(2 * BLOCK)]));
}

function blocksOf({ name, data, mode = 0o644, seconds = 0 }: TarFile): Buffer[] {
  const bytes = Buffer.from(data);
  const [prefix, rest] = splitName(name);
  const header = Buffer.alloc(BLOCK);
  header.write(rest, 0);
  header.write(`${octal(mode, 7)}\0`, 100);
  header.write('0000000\0', 108);
  header.write('0000000\0', 116);
  header.write(`${octal(bytes.length, 11)}\0`, 124);
  header.write(`${octal(seconds, 11)}\0`, 136);
  header.write('        ', 148);
  header.write('0', 156);
  header.write('ustar\x0000', 257);
  header.write(prefix, 345);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${octal(sum, 6)}\0 `, 148);
  return [header, bytes, Buffer.alloc((BLOCK - (bytes.length % BLOCK)) % BLOCK)];
}

/** ustar keeps up to 155 bytes of a long name's folders apart from up to 100 bytes of the rest. */
function splitName(name: string): readonly [prefix: string, rest: string] {
  if (Buffer.byteLength(name) <= 100) return ['', name];
  for (let slash = name.indexOf('/'); slash > 0; slash = name.indexOf('/', slash + 1)) {
    const [prefix, rest] = [name.slice(0, slash), name.slice(slash + 1)];
    if (Buffer.byteLength(rest) <= 100 && Buffer.byteLength(prefix) <= 155) return [prefix, rest];
  }
  throw new Error(`too long a name for a tar archive: ${name}`);
}

function octal(number: number, digits: number): string {
  return number.toString(8).padStart(digits, '0');
}
