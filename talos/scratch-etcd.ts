import { mkdtemp, rm, stat, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { waitFor } from '../lib/conditions.ts';
import { FirstlightError, problem } from '../lib/errors.ts';
import type { Host } from '../lib/host.ts';

/** What a scratch etcd answers. Keys are text as Kubernetes writes them. */
export type ScratchEtcd = {
  /** Every key under a prefix, in order. */
  keys(prefix: string): Promise<readonly string[]>;
  /** Keys with their values under a prefix, handed on a few at a time, since all together may not fit into memory. */
  each(prefix: string, take: (key: string, value: Uint8Array) => void): Promise<void>;
  /** One value, or undefined. */
  get(key: string): Promise<Uint8Array | undefined>;
  /** Changes one value in the scratch etcd; the file it was restored from stays as it is. */
  put(key: string, value: Uint8Array | string): Promise<void>;
  /** A new snapshot of it, with a digest, into a file that does not exist yet (0600). */
  save(file: string): Promise<void>;
};

/**
 * How a file is restored. `skipHash` for a raw copy of the database. `raiseRevision` adds to etcd's revision and marks all before as
 * compacted, so that whoever watched the lost etcd notices and reads anew (etcd.io/docs/v3.6/op-guide/recovery, "Restoring with revision bump").
 */
export type Restoring = { readonly skipHash: boolean; readonly raiseRevision?: number };

/** Keys asked for at once: Kubernetes' objects are 1.5 MiB at most, and 16 of them stay well below what a program may answer. */
const PAGE = 16;
/** etcd makes a log segment of 64 MiB, and the next one ahead (go.etcd.io/etcd/server/v3/storage/wal). */
const LOG_BYTES = 128 * 1024 * 1024;
/** Milliseconds for etcd to answer: of hundreds of MiB on a busy machine. One that ended is noticed at once. */
const START_MS = 3 * 60_000;
const NAME = 'scratch';
/** A peer address that nobody listens at: the member is alone. */
const PEER = 'http://127.0.0.1:1';

/**
 * Restores a snapshot by the real `etcdutl` into a folder in the host's scratch, starts the real `etcd` on it behind a socket in that
 * folder (no port, so that nobody else can ask it), gives it to `work` and ends it, whatever comes. Throws `E_SNAPSHOT_ROOM`, `E_SNAPSHOT_RESTORE` with the program's words, what `work` throws, `E_NO_PROGRAM`, an abort.
 */
export async function withScratchEtcd<T>(host: Host, file: string, options: Restoring, work: (etcd: ScratchEtcd) => Promise<T>): Promise<T> {
  await requireRoom(host, file);
  const folder = await mkdtemp(join(host.scratch, 'etcd-'));
  const end = new AbortController();
  let running: Promise<string> | undefined;
  try {
    await restore(host, file, folder, options);
    let over: string | undefined;
    running = start(host, folder, end.signal).then((words) => { over = words; return words; });
    const ask = (args: readonly string[], stdin?: Uint8Array | string) => host.run({
      program: 'etcdctl', args: ['--endpoints=unix://client', '--command-timeout=60s', '--dial-timeout=5s', '--write-out=json', ...args], cwd: folder, accept: 'any', timeoutMs: 90_000,
      ...(stdin === undefined ? {} : { stdin }),
    });
    await waitFor({
      name: 'an etcd runs on the restored snapshot', deadlineMs: START_MS, everyMs: 100, hint: 'Take another snapshot; with this one etcd does not start.',
      look: async () => {
        if (over !== undefined) throw notRestored(`etcd ended on it: ${over}`);
        const said = await ask(['endpoint', 'status']);
        return said.exitCode === 0 ? { met: true, value: true } : { met: false, seen: lastLine(said.stderr) };
      },
    }, host);
    return await work(scratchEtcd(async (args, stdin) => {
      const said = await ask(args, stdin);
      if (said.exitCode !== 0) throw notRestored(`the etcd on it does not answer: ${lastLine(said.stderr)}`);
      return said.stdout;
    }));
  } finally {
    end.abort();
    await running;
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  }
}

type Answer = { readonly kvs?: readonly { readonly key: string; readonly value?: string }[]; readonly more?: boolean };

function scratchEtcd(ask: (args: readonly string[], stdin?: Uint8Array | string) => Promise<string>): ScratchEtcd {
  const get = async (args: readonly string[]): Promise<Answer> => JSON.parse(await ask(['get', ...args])) as Answer;
  const text = (base64: string): string => Buffer.from(base64, 'base64').toString();
  return {
    keys: async (prefix) => ((await get([prefix, '--prefix', '--keys-only'])).kvs ?? []).map((each) => text(each.key)),
    each: async (prefix, take) => {
      // The first key that no longer has the prefix; '/' is followed by '0'.
      const last = `${prefix.slice(0, -1)}${String.fromCharCode(prefix.charCodeAt(prefix.length - 1) + 1)}`;
      for (let from: string | undefined = prefix; from !== undefined;) {
        const answer: Answer = await get([from, last, `--limit=${PAGE}`]);
        const found = answer.kvs ?? [];
        for (const each of found) take(text(each.key), Buffer.from(each.value ?? '', 'base64'));
        // No Kubernetes name holds '!', the first printable character: the next key begins after it.
        from = answer.more && found.length > 0 ? `${text(found.at(-1)!.key)}!` : undefined;
      }
    },
    get: async (key) => {
      const value = (await get([key])).kvs?.[0]?.value;
      return value === undefined ? undefined : Buffer.from(value, 'base64');
    },
    put: async (key, value) => { await ask(['put', key], value); },
    save: async (file) => { await ask(['snapshot', 'save', file]); },
  };
}

async function restore(host: Host, file: string, folder: string, { skipHash, raiseRevision }: Restoring): Promise<void> {
  const done = await host.run({
    program: 'etcdutl', cwd: folder, accept: 'any', timeoutMs: 5 * 60_000,
    args: ['snapshot', 'restore', file, '--data-dir=data', `--name=${NAME}`, `--initial-cluster=${NAME}=${PEER}`, `--initial-advertise-peer-urls=${PEER}`, ...(skipHash ? ['--skip-hash-check'] : []),
      ...(raiseRevision === undefined ? [] : [`--bump-revision=${raiseRevision}`, '--mark-compacted'])],
  });
  if (done.exitCode !== 0) throw notRestored(lastLine(done.stderr));
}

/** Runs until it is told to end; gives etcd's last words, also where it ended by itself. Only a missing program is thrown on. */
async function start(host: Host, folder: string, signal: AbortSignal): Promise<string> {
  try {
    const done = await host.run({
      program: 'etcd', cwd: folder, accept: 'any', timeoutMs: 24 * 3_600_000, signal,
      args: [`--name=${NAME}`, '--data-dir=data', '--listen-client-urls=unix://client', '--advertise-client-urls=http://127.0.0.1:1', '--listen-peer-urls=unix://peer',
        `--initial-advertise-peer-urls=${PEER}`, `--initial-cluster=${NAME}=${PEER}`, '--unsafe-no-fsync', '--log-level=error', '--logger=zap'],
    });
    return lastLine(done.stderr) || `it ended with ${done.exitCode}`;
  } catch (error) {
    if (error instanceof FirstlightError && error.code !== 'E_NO_PROGRAM') return error.message;
    return (error as Error).message;
  }
}

async function requireRoom(host: Host, file: string): Promise<void> {
  const [{ size }, { bavail, bsize }] = [await stat(file), await statfs(host.scratch)];
  const [needed, free] = [2 * size + LOG_BYTES, bavail * bsize];
  if (free >= needed) return;
  const mib = (bytes: number): string => `${Math.ceil(bytes / 1024 / 1024)} MiB`;
  throw problem('E_SNAPSHOT_ROOM', `to prove the snapshot it is restored aside, which takes ${mib(needed)}; ${host.scratch} has ${mib(free)} free`,
    'Point XDG_RUNTIME_DIR to a private folder with that much room, in memory where possible, and run again.');
}

function notRestored(words: string): Error {
  return problem('E_SNAPSHOT_RESTORE', `the snapshot can't be restored: ${words}`, 'Take another snapshot; Talos would accept this one all the same, and then need a reset.');
}

/** The last line that is not structured log, else the message of the last that is. */
function lastLine(stderr: string): string {
  const lines = stderr.split('\n').map((line) => line.trim()).filter((line) => line !== '');
  const plain = lines.filter((line) => !line.startsWith('{')).at(-1);
  if (plain !== undefined) return plain.replace(/^Error: /, '').slice(0, 400);
  return (/"(?:error|msg)":"([^"]*)"/.exec(lines.at(-1) ?? '')?.[1] ?? 'no word of why').slice(0, 400);
}
