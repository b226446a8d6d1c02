import { mkdir, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { problem } from '../errors.ts';
import type { Host } from '../host.ts';
import { install, type Shelf } from './cache.ts';
import { digestOf, expectedDigest, recordDigest } from './digest.ts';
import { download } from './download.ts';
import { fill, type Platform } from './platform.ts';
import type { Pin, Release } from './pins.ts';
import type { Report } from './progress.ts';
import { eitherSignal } from '../signals.ts';

const REACH_MS = 4_000;

/** Whether a URL's server can be reached: undefined, or the reason why not. Each server is tried once, for all tools. */
export type Reach = (url: string) => Promise<string | undefined>;

/** Makes a `Reach` with a memory. Any HTTP answer counts as reached; none within four seconds does not. */
export function createReach(host: Host): Reach {
  const known = new Map<string, Promise<string | undefined>>();
  return async (url) => {
    const origin = new URL(url).origin;
    const asked = known.get(origin) ?? askServer(host, origin);
    known.set(origin, asked);
    return await asked;
  };
}

async function askServer(host: Host, origin: string): Promise<string | undefined> {
  try {
    const answer = await host.fetch(origin, { method: 'HEAD', redirect: 'manual', signal: eitherSignal(host.signal, AbortSignal.timeout(REACH_MS)) });
    await answer.body?.cancel();
    return undefined;
  } catch (error) {
    host.signal.throwIfAborted();
    const inner = error instanceof Error && error.cause instanceof Error ? error.cause : error;
    return `${new URL(origin).host} cannot be reached (${inner instanceof Error ? inner.message || inner.name : String(inner)})`;
  }
}

/**
 * Installs a tool from its published release: downloaded (continued where one was cut), its sha256 checked, unpacked.
 * Throws `E_DOWNLOAD`, `E_TOOL_CHECKSUMS`, `E_TOOL_DIGEST` (the file is then removed and nothing installed).
 */
export async function installRelease(host: Host, shelf: Shelf, pin: Pin, release: Release, platform: Platform, report: Report): Promise<ReadonlyMap<string, string>> {
  const url = fill(release.url, pin, platform);
  const asset = basename(url);
  const folder = shelf.folder(pin);
  const expected = await expectedDigest(host, pin, release, platform, folder);
  const file = shelf.aside(`${pin.tool}-${pin.version}-${asset}`);
  await download(host, url, file, (figures) => report.going('download', figures));
  const sha256 = await digestOf(file);
  if (expected && sha256 !== expected.sha256) {
    await rm(file, { force: true });
    throw problem('E_TOOL_DIGEST', `${asset} has sha256 ${sha256}, ${expected.source} is ${expected.sha256}: refused`,
      'The file was changed on its way or at its source: do not trust it before you know which.');
  }
  const files = release.members ? await unpack(host, shelf, pin, release.members, platform, file) : new Map([[pin.binaries[0] ?? pin.tool, file]]);
  const paths = await install(shelf, pin, files, 'download', `${url} sha256:${sha256}`);
  if (!expected) await recordDigest(folder, asset, sha256);
  await rm(file, { force: true });
  return paths;
}

async function unpack(host: Host, shelf: Shelf, pin: Pin, members: Readonly<Record<string, string>>, platform: Platform, file: string): Promise<Map<string, string>> {
  const folder = shelf.aside(`${pin.tool}-${pin.version}-unpacked`);
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  const wanted = pin.binaries.map((binary) => [binary, fill(members[binary] ?? binary, pin, platform)] as const);
  await host.run({ program: 'tar', args: ['-xzf', file, '-C', folder, ...wanted.map(([, member]) => member)], timeoutMs: 120_000 });
  return new Map(wanted.map(([binary, member]) => [binary, join(folder, member)]));
}
