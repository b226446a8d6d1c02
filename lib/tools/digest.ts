import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { basename, join } from 'node:path';
import { problem } from '../errors.ts';
import { readIfThere, writeWhole } from '../files.ts';
import type { Host } from '../host.ts';
import { fill, type Platform } from './platform.ts';
import type { Pin, Release } from './pins.ts';
import { eitherSignal } from '../signals.ts';

/** The sha256 a release file must have: from tools.lock.yaml, the release's checksums file, or the first download's record. */
export type Expected = { readonly sha256: string; readonly source: 'pinned' | 'published' | 'recorded' };

const RECORD = 'recorded.sha256';

/** Looks the expected digest up; undefined where nothing is known yet (the first download will be recorded). Throws `E_TOOL_CHECKSUMS`. */
export async function expectedDigest(host: Host, pin: Pin, release: Release, platform: Platform, folder: string): Promise<Expected | undefined> {
  const pinned = release.sha256[`${platform.os}/${platform.arch}`];
  if (pinned) return { sha256: pinned, source: 'pinned' };
  const asset = basename(fill(release.url, pin, platform));
  if (release.checksums) {
    const url = fill(release.checksums, pin, platform);
    const answer = await host.fetch(url, { signal: eitherSignal(host.signal, AbortSignal.timeout(20_000)) });
    const text = answer.ok ? await answer.text() : '';
    const sha256 = digestIn(text, asset);
    if (!sha256) throw problem('E_TOOL_CHECKSUMS', `${url} (${answer.status}) names no sha256 of ${asset}`, 'See whether the release is complete.');
    return { sha256, source: 'published' };
  }
  const recorded = digestIn(await readIfThere(join(folder, RECORD)) ?? '', asset);
  return recorded ? { sha256: recorded, source: 'recorded' } : undefined;
}

/** Keeps the digest of a first download, which all later ones must have. */
export async function recordDigest(folder: string, asset: string, sha256: string): Promise<void> {
  const before = await readIfThere(join(folder, RECORD)) ?? '';
  await writeWhole(join(folder, RECORD), `${before}${sha256}  ${asset}\n`);
}

/** A file's digest in the text of a checksums file (`<sha256>  <name>` lines, `*` before the name allowed, or one bare digest). */
export function digestIn(text: string, asset: string): string | undefined {
  const bare = /^\s*([0-9a-fA-F]{64})\s*$/.exec(text);
  if (bare?.[1]) return bare[1].toLowerCase();
  for (const line of text.split('\n')) {
    const found = /^([0-9a-fA-F]{64})\s+\*?(?:\.\/)?(\S+)\s*$/.exec(line);
    if (found?.[1] && found[2] && basename(found[2]) === asset) return found[1].toLowerCase();
  }
  return undefined;
}

/** The sha256 of a file, in hexadecimal. */
export async function digestOf(file: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(file)) hash.update(chunk as Buffer);
  return hash.digest('hex');
}
