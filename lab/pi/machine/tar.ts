import { gzipSync } from 'node:zlib';

const BLOCK = 512;

/** A gzipped tar archive with one file (0600), in which Talos delivers a kubeconfig. */
export function gzipTar(name: string, text: string): Buffer {
  const data = Buffer.from(text);
  const header = Buffer.alloc(BLOCK);
  header.write(name, 0);
  header.write('0000600\0', 100);
  header.write('0000000\0', 108);
  header.write('0000000\0', 116);
  header.write(`${data.length.toString(8).padStart(11, '0')}\0`, 124);
  header.write(`${Math.floor(Date.now() / 1000).toString(8).padStart(11, '0')}\0`, 136);
  header.write('        ', 148);
  header.write('0', 156);
  header.write('ustar\x0000', 257);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  const padding = Buffer.alloc((BLOCK - (data.length % BLOCK)) % BLOCK);
  return gzipSync(Buffer.concat([header, data, padding, Buffer.alloc(2 * BLOCK)]));
}
