import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { relative, dirname } from 'node:path';

/** How an image file is packed, by its name's ending. */
export type Form = 'zst' | 'xz' | 'raw';

/** Which image: of which factory (URL), schematic id and Talos version (with or without `v`); where it is pinned and kept. */
export type ImageRequest = {
  readonly factory: string;
  readonly schematicId: string;
  readonly version: string;
  readonly lockFile: string;
  readonly cacheFolder: string;
  /** An image given by hand in place of the factory's: absolute path of a `.raw.zst`, `.raw.xz` or `.raw` file. */
  readonly file?: string;
};

/** One place an image can come from: `name` is its entry in the lock file. */
export type Source = { readonly name: string; readonly form: Form } & ({ readonly url: string } | { readonly file: string });

/**
 * Where the image may come from, the preferred first: the file given by hand and nothing else, or the factory's `.raw.zst`
 * (decoded without a program), then its `.raw.xz` (siderolabs/image-factory:docs/api.md).
 */
export function sourcesOf(request: ImageRequest): readonly Source[] {
  const { file } = request;
  if (file !== undefined) return [{ name: `file:${relative(dirname(request.lockFile), file)}`, form: formOf(file), file }];
  return (['zst', 'xz'] as const).map((form) => {
    const name = `${request.schematicId}/${tagOf(request)}/metal-arm64.raw.${form}`;
    return { name, form, url: `${request.factory.replace(/\/+$/, '')}/image/${name}` };
  });
}

/** The version with its `v`, as the factory names it. */
export function tagOf(request: ImageRequest): string {
  return `v${request.version.replace(/^v/, '')}`;
}

function formOf(path: string): Form {
  return path.endsWith('.zst') ? 'zst' : path.endsWith('.xz') ? 'xz' : 'raw';
}

/** SHA-256 of a file in hex and its size; undefined where there is none. Throws what the file system throws otherwise. */
export async function hashOf(path: string): Promise<{ readonly sha256: string; readonly bytes: number } | undefined> {
  const hash = createHash('sha256');
  let bytes = 0;
  try {
    for await (const piece of createReadStream(path, { highWaterMark: 1024 * 1024 }) as AsyncIterable<Buffer>) {
      hash.update(piece);
      bytes += piece.length;
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  return { sha256: hash.digest('hex'), bytes };
}
