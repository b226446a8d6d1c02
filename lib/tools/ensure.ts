import { join } from 'node:path';
import { FirstlightError, isAbort, ManyErrors, problem } from '../errors.ts';
import type { Host } from '../host.ts';
import { installBuild } from './build.ts';
import type { Go } from './go.ts';
import { disown, findInstalled, link, shelfIn, type Shelf } from './cache.ts';
import { withClaim } from './claim.ts';
import { askVersion, findOnPath, firstOnPath } from './on-path.ts';
import { goPlatform, type Platform } from './platform.ts';
import { readPins, type Pin } from './pins.ts';
import { reporter, type Report, type Way } from './progress.ts';
import { createReach, installRelease, type Reach } from './release.ts';
import { createSlots, type Slots } from './slots.ts';

/** What `ensureTools` needs to know of the machine. */
export type ToolsOptions = {
  /** tools.lock.yaml. */
  readonly lockFile: string;
  /** The folder with our Go modules. */
  readonly modules: string;
  /** The value of PATH, for programs that are there already. */
  readonly path: string;
  /** The whole environment of Go (HOME, GOPATH, GOPROXY, …). */
  readonly goEnvironment: Readonly<Record<string, string>>;
  /** All memory of the machine: builds take at most half of it. */
  readonly memoryBytes: number;
  /** Node's names (`process.platform`, `process.arch`) or Go's. */
  readonly platform: { readonly os: string; readonly arch: string };
  /** Only these tools (names of tools.lock.yaml); all unless told. */
  readonly only?: readonly string[];
};

type Found = { readonly way: Way; readonly version: string; readonly paths: ReadonlyMap<string, string> };
type Search = {
  readonly options: ToolsOptions; readonly shelf: Shelf; readonly platform: Platform; readonly reach: Reach; readonly slots: Slots;
  /** One build at a time per Go module: its packages are compiled once, not twice side by side. */
  readonly lane: (module: string) => Slots;
  readonly get: (tool: string) => Promise<Found>;
};

const BUILDS_AT_ONCE = 2;

/**
 * Sees to it that every pinned tool is there, and gives the absolute paths by binary name. Each is taken from PATH
 * (compatible version), the cache, a release (sha256 checked) or a build from its Go module, in that order; events as in
 * `reporter`. Two runs at once install a tool once. Throws `E_TOOL` naming each tool that can't be had and why no way
 * led to it, `E_TOOLS_LOCK`, or `E_ABORTED`.
 */
export async function ensureTools(host: Host, options: ToolsOptions): Promise<Map<string, string>> {
  const pins = await readPins(options.lockFile);
  const unknown = options.only?.find((tool) => pins.every((pin) => pin.tool !== tool));
  if (unknown !== undefined) throw problem('E_TOOL', `${unknown} is not in ${options.lockFile}`, `It names: ${pins.map((pin) => pin.tool).join(', ')}.`);
  const running = new Map<string, Promise<Found>>();
  const lanes = new Map<string, Slots>();
  const search: Search = {
    options, shelf: shelfIn(host.cache), platform: goPlatform(options.platform), reach: createReach(host),
    slots: createSlots(BUILDS_AT_ONCE, options.memoryBytes / 2 / 1024 / 1024),
    lane: (module) => {
      const lane = lanes.get(module) ?? createSlots(1, Infinity);
      lanes.set(module, lane);
      return lane;
    },
    get: (tool) => {
      const started = running.get(tool) ?? findTool(host, search, pins.find((pin) => pin.tool === tool)!);
      running.set(tool, started);
      return started;
    },
  };
  const wanted = pins.filter((pin) => options.only?.includes(pin.tool) ?? true);
  const ends = await Promise.allSettled(wanted.map((pin) => search.get(pin.tool)));
  if (host.signal.aborted) throw problem('E_ABORTED', 'fetching the tools was stopped', 'Run the same command again: it continues where it was.');
  const failed = ends.flatMap((end) => (end.status === 'rejected' ? [end.reason as unknown] : []));
  const [first] = failed;
  if (failed.length > 1 && failed.every((error) => error instanceof FirstlightError)) {
    throw new ManyErrors('E_TOOL', `${failed.length} tools can't be had`, 'Mend what each of them names, then run again.', failed);
  }
  if (first !== undefined) throw first;
  return new Map(ends.flatMap((end) => (end.status === 'fulfilled' ? [...end.value.paths] : [])));
}

async function findTool(host: Host, search: Search, pin: Pin): Promise<Found> {
  const { shelf, options } = search;
  const report = reporter(host, pin);
  report.going('path');
  const onPath = await findOnPath(host, pin, options.path, shelf.root);
  const ready: Found | undefined = onPath ? { way: 'path', ...onPath } : await inCache(shelf, pin);
  const claim = join(shelf.root, `.${pin.tool}-${pin.version}.lock`);
  const waiting = (): void => report.note(`${pin.tool}: another firstlight fetches it, waiting`);
  const found = ready ?? await withClaim(host, claim, pin.tool, waiting, async () => await inCache(shelf, pin) ?? await obtain(host, search, pin, report));
  for (const [binary, path] of found.paths) await link(shelf, binary, path);
  report.done(found.way, found.version);
  return found;
}

async function inCache(shelf: Shelf, pin: Pin): Promise<Found | undefined> {
  const paths = await findInstalled(shelf, pin);
  return paths && { way: 'cache', version: pin.version, paths };
}

/** Downloads or builds. What one way fails of is told when the other fails too. */
async function obtain(host: Host, search: Search, pin: Pin, report: Report): Promise<Found> {
  const reasons: string[] = [];
  for (const [way, go] of [['download', byRelease], ['build', byGo]] as const) {
    try {
      const paths = await go(host, search, pin, report);
      await mustSayVersion(host, search.shelf, pin, paths);
      return { way, version: pin.version, paths };
    } catch (error) {
      host.signal.throwIfAborted();
      if (isAbort(error)) throw error;
      const message = error instanceof Error ? error.message : String(error);
      if (error instanceof FirstlightError && error.code === 'E_TOOL_DIGEST') report.note(`${pin.tool}: ${message}`);
      reasons.push(`${way === 'download' ? 'release' : 'Go'}: ${message}`);
    }
  }
  throw problem('E_TOOL', `${pin.tool} ${pin.version} can't be had: ${reasons.join('; ')}`,
    `Give this machine a way to the release server or to a Go module proxy, or put ${pin.tool} on PATH at a version tools.lock.yaml accepts.`);
}

async function byRelease(host: Host, { shelf, platform, reach }: Search, pin: Pin, report: Report): Promise<ReadonlyMap<string, string>> {
  if (!pin.release) throw new Error('none is published as a program');
  if (!pin.release.platforms.includes(`${platform.os}/${platform.arch}`)) throw new Error(`none is published for ${platform.os}/${platform.arch}`);
  const unreachable = await reach(pin.release.url);
  if (unreachable !== undefined) throw new Error(unreachable);
  return await installRelease(host, shelf, pin, pin.release, platform, report);
}

async function byGo(host: Host, search: Search, pin: Pin, report: Report): Promise<ReadonlyMap<string, string>> {
  const { build } = pin;
  if (!build) throw new Error('no Go module is named for it');
  const program = await firstOnPath('go', `${search.options.path}:/usr/local/go/bin`, search.shelf.root);
  if (program === undefined) throw new Error('go is not on PATH (https://go.dev/dl has it)');
  const go: Go = { program, environment: search.options.goEnvironment, modules: search.options.modules };
  const kubectl = build.embedded ? (await search.get('kubectl')).paths.get('kubectl') : undefined;
  return await search.lane(build.module)(0, () => search.slots(build.memoryMiB, async () => await installBuild(host, search.shelf, pin, build, search.platform, go, report, kubectl)));
}

async function mustSayVersion(host: Host, shelf: Shelf, pin: Pin, paths: ReadonlyMap<string, string>): Promise<void> {
  for (const [binary, path] of paths) {
    const args = pin.onPath?.says[binary];
    if (!args) continue;
    const said = await askVersion(host, path, args);
    const version = said ? said.numbers.join('.') + (said.early && `-${said.early}`) : 'nothing';
    if (version === pin.version) continue;
    await disown(shelf, pin);
    throw problem('E_TOOL', `${binary} was to be ${pin.version} and says ${version}`, 'See what tools.lock.yaml names for it.');
  }
}
