import { once } from 'node:events';
import { createReadStream } from 'node:fs';
import { mkdir, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { dirname, join } from 'node:path';
import { existsSync } from 'node:fs';
import type { KubeClient } from './client.ts';
import type { RunningController } from './controllers.ts';
import { follow, keyOf } from './follow.ts';
import { archiveTree, fetchRef, type Checkout } from './git-checkout.ts';
import { artifactPath, durationMs, failedStatus, refOf, requestedAt, SourceFailure, storedStatus, type GitRepository } from './git-repository.ts';
import { eitherSignal } from '../../lib/signals.ts';

const KIND = '/apis/source.toolkit.fluxcd.io/v1/gitrepositories';
const FIRST_RETRY_MS = 750;

/** `path` is the PATH on which git and ssh are found. */
type Options = { readonly client: KubeClient; readonly folder: string; readonly address: string; readonly path: string };

/** One followed GitRepository: the newest version seen, and what wakes its reconciler. */
type Entry = { object: GitRepository; handled: string; wake: () => void; readonly gone: AbortController };

/**
 * The stand-in of Flux's source-controller, for GitRepository alone (HelmRepository, OCIRepository and Bucket stay as they are):
 * fetches with real git and ssh (the ssh client must be installed), stores a tar.gz per commit, serves it over HTTP on a free port
 * of the node's address, and writes the status as fluxcd/source-controller:internal/controller/gitrepository_controller.go does.
 * Reconciles on a change of the spec, on `reconcile.fluxcd.io/requestedAt`, at the interval, and again soon after a failure.
 */
export async function startSourceController(options: Options): Promise<RunningController> {
  const storage = join(options.folder, 'source-controller');
  await mkdir(storage, { recursive: true, mode: 0o700 });
  const server = await serve(join(storage, 'artifacts'), options.address);
  const bound = server.address();
  const base = `http://${options.address}:${typeof bound === 'object' && bound ? bound.port : 0}`;
  const ended = new AbortController();
  const entries = new Map<string, Entry>();
  const running = new Set<Promise<void>>();
  const following = follow<GitRepository>(options.client, KIND, ended.signal, async ({ changed, removed }) => {
    for (const object of removed) {
      entries.get(keyOf(object))?.gone.abort();
      entries.delete(keyOf(object));
      await rm(join(storage, 'artifacts', dirname(artifactPath(object, 'any'))), { recursive: true, force: true });
    }
    for (const object of changed) {
      const entry = entries.get(keyOf(object));
      if (entry) {
        entry.object = object;
        if (askFor(object) !== entry.handled) entry.wake();
        continue;
      }
      const made: Entry = { object, handled: '', wake: () => {}, gone: new AbortController() };
      entries.set(keyOf(object), made);
      const work = keepReconciling({ ...options, folder: storage, base, signal: eitherSignal(ended.signal, made.gone.signal) }, made);
      running.add(work);
      void work.finally(() => running.delete(work));
    }
  });
  const exited = following.then(() => {});
  const stop = async (): Promise<void> => {
    ended.abort();
    server.close();
    server.closeAllConnections();
    await Promise.all([following, ...running]);
  };
  return { ready: async () => true, exited, stop, kill: stop };
}

/** What makes a version of the object worth a reconcile of its own. */
function askFor(object: GitRepository): string {
  return `${object.metadata.uid} ${object.metadata.generation} ${requestedAt(object) ?? ''}`;
}

/** What a reconciler works with; `folder` is the storage, `base` the server's URL. */
type Context = Options & { readonly base: string; readonly signal: AbortSignal };

async function keepReconciling(context: Context, entry: Entry): Promise<void> {
  const { signal } = context;
  let failures = 0;
  while (!signal.aborted) {
    const { object } = entry;
    entry.handled = askFor(object);
    let next = durationMs(object.spec.interval) || 60_000;
    if (object.spec.suspend !== true) {
      const done = await reconcile(context, object).catch(() => false);
      failures = done ? 0 : failures + 1;
      if (!done) next = Math.min(next, FIRST_RETRY_MS * 2 ** Math.min(failures - 1, 8));
    }
    if (askFor(entry.object) !== entry.handled) continue;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, next);
      entry.wake = () => { clearTimeout(timer); resolve(); };
      signal.addEventListener('abort', entry.wake, { once: true });
    });
    signal.removeEventListener('abort', entry.wake);
  }
}

/** One reconcile; tells whether it ended well. Throws only where the status could not be written. */
async function reconcile(context: Context, object: GitRepository): Promise<boolean> {
  const { client, folder: storage, base, signal } = context;
  const { name, namespace } = object.metadata;
  const write = (status: object): Promise<unknown> => client.patch(`/apis/source.toolkit.fluxcd.io/v1/namespaces/${namespace}/gitrepositories/${name}/status`, status);
  try {
    const checkout = await checkoutOf(context, object, join(storage, 'checkouts', `${namespace}.${name}`));
    const fetched = await fetchRef(checkout).catch((error: Error) => {
      throw new SourceFailure('GitOperationFailed', `failed to checkout and determine revision: unable to clone '${object.spec.url}': ${error.message}`);
    });
    const path = artifactPath(object, fetched.commit);
    const file = join(storage, 'artifacts', path);
    const url = `${base}/${path}`;
    const now = object.status?.artifact;
    const right = now?.revision === fetched.revision && now.url === url && existsSync(file) && object.status?.observedGeneration === object.metadata.generation;
    if (!right) await mkdir(dirname(file), { recursive: true });
    const stored = right ? undefined : { path, url, archive: await archiveTree(checkout, fetched.commit, file).catch((error: Error) => {
      throw new SourceFailure('ArchiveOperationFailed', `unable to archive artifact to storage: ${error.message}`);
    }) };
    await write(storedStatus(object, fetched, stored));
    return true;
  } catch (error) {
    if (!(error instanceof SourceFailure) || signal.aborted) throw error;
    await write(failedStatus(object, error));
    return false;
  }
}

async function checkoutOf({ client, path, signal }: Context, object: GitRepository, folder: string): Promise<Checkout> {
  const { url, secretRef, timeout, ignore } = object.spec;
  const common = { path, signal, url, ref: refOf(object), folder, timeoutMs: durationMs(timeout ?? '60s'), ...(ignore === undefined ? {} : { ignore }) };
  if (!url.startsWith('ssh://')) {
    if (secretRef === undefined) return common;
    throw new SourceFailure('AuthenticationFailed', `the lab's source stand-in knows credentials for ssh only, not for '${url}'`);
  }
  const { namespace } = object.metadata;
  const secret = secretRef && await client.get<{ data?: Record<string, string> }>(`/api/v1/namespaces/${namespace}/secrets/${secretRef.name}`).catch((error: Error) => {
    throw new SourceFailure('AuthenticationFailed', `failed to get secret '${namespace}/${secretRef.name}': ${error.message}`);
  });
  const value = (key: string): string => Buffer.from(secret?.data?.[key] ?? '', 'base64').toString();
  const missing = ['identity', 'known_hosts'].filter((key) => value(key) === '');
  if (missing.length > 0) throw new SourceFailure('AuthenticationFailed', `invalid 'ssh' auth option: '${missing.join("' and '")}' is required`);
  return { ...common, ssh: { identity: value('identity'), knownHosts: value('known_hosts') } };
}

async function serve(root: string, address: string): Promise<Server> {
  const server = createServer((request, answer) => {
    const path = new URL(request.url ?? '/', 'http://storage').pathname;
    if (!/^\/gitrepository(\/[\w.-]+){2}\/[0-9a-f]+\.tar\.gz$/.test(path) || path.includes('..')) return void answer.writeHead(404).end();
    const file = createReadStream(join(root, path));
    file.on('error', () => (answer.headersSent ? answer.destroy() : answer.writeHead(404).end()));
    file.on('open', () => answer.writeHead(200, { 'content-type': 'application/gzip' }));
    file.pipe(answer);
  });
  server.listen(0, address);
  await once(server, 'listening');
  return server;
}
