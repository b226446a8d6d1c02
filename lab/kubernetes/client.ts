import { createSecureClient, linesOf, textOf, type Access } from './secure-client.ts';

/** What every Kubernetes object has; the rest is read by whoever knows the kind. */
export type KubeObject = {
  readonly apiVersion?: string;
  readonly kind?: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly uid?: string;
    readonly generation?: number;
    readonly resourceVersion?: string;
    readonly deletionTimestamp?: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly annotations?: Readonly<Record<string, string>>;
  };
};

/** One line of a watch. */
export type WatchEvent = { readonly type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK' | 'ERROR'; readonly object: KubeObject };

/** The API server's refusal: HTTP status, the Status object's reason (`NotFound`, `AlreadyExists`, …) and message. */
export class KubeRefusal extends Error {
  readonly status: number;
  readonly reason: string;
  constructor(status: number, reason: string, message: string) {
    super(message);
    this.name = 'KubeRefusal';
    this.status = status;
    this.reason = reason;
  }
}

/** Patch bodies the API server knows. */
export type PatchKind = 'merge' | 'strategic-merge' | 'json';

/** A small Kubernetes client. Paths begin with `/api` or `/apis`. Calls throw KubeRefusal, or the connection's error. */
export type KubeClient = {
  get<T = KubeObject>(path: string): Promise<T>;
  list<T = KubeObject>(path: string): Promise<{ readonly items: T[]; readonly resourceVersion: string }>;
  create(path: string, body: object): Promise<KubeObject>;
  replace(path: string, body: object): Promise<KubeObject>;
  patch(path: string, body: object, kind?: PatchKind): Promise<KubeObject>;
  /** `options` are DeleteOptions. */
  remove(path: string, options?: object): Promise<void>;
  /** Events from a resource version on, until the server or the signal ends it. */
  watch(path: string, resourceVersion: string, signal: AbortSignal): AsyncGenerator<WatchEvent>;
  /** The text of any path, such as `/readyz`. */
  text(path: string): Promise<string>;
  close(): void;
};

/** Makes a client for one API server with a client certificate or a token. */
export function kubeClient(access: Access): KubeClient {
  const client = createSecureClient(access);
  const text = async (method: string, path: string, body?: object, contentType?: string): Promise<string> => {
    const answer = await client.open({ method, path, ...(body === undefined ? {} : { body }), ...(contentType === undefined ? {} : { contentType }) });
    const said = await textOf(answer);
    const status = answer.statusCode ?? 0;
    if (status < 200 || status > 299) throw refusal(status, said);
    return said;
  };
  const json = async <T>(method: string, path: string, body?: object, contentType?: string): Promise<T> =>
    JSON.parse(await text(method, path, body, contentType)) as T;
  async function* watch(path: string, resourceVersion: string, signal: AbortSignal): AsyncGenerator<WatchEvent> {
    const query = `watch=1&allowWatchBookmarks=true&resourceVersion=${resourceVersion}`;
    const answer = await client.open({ method: 'GET', path: `${path}${path.includes('?') ? '&' : '?'}${query}`, timeoutMs: 0, signal });
    if (answer.statusCode !== 200) throw refusal(answer.statusCode ?? 0, await textOf(answer));
    for await (const line of linesOf(answer)) yield JSON.parse(line) as WatchEvent;
  }
  return {
    get: (path) => json('GET', path),
    list: async <T>(path: string) => {
      const list = await json<{ items: T[] | null; metadata: { resourceVersion: string } }>('GET', path);
      return { items: list.items ?? [], resourceVersion: list.metadata.resourceVersion };
    },
    create: (path, body) => json('POST', path, body),
    replace: (path, body) => json('PUT', path, body),
    patch: (path, body, kind = 'merge') => json('PATCH', path, body, `application/${kind}-patch+json`),
    remove: async (path, options) => void await text('DELETE', path, options),
    watch,
    text: (path) => text('GET', path),
    close: () => client.close(),
  };
}

/** Creates an object, or leaves the one that is there. */
export async function createIfMissing(client: KubeClient, path: string, body: object): Promise<void> {
  try {
    await client.create(path, body);
  } catch (error) {
    if (!(error instanceof KubeRefusal && error.reason === 'AlreadyExists')) throw error;
  }
}

function refusal(status: number, said: string): KubeRefusal {
  try {
    const { reason, message } = JSON.parse(said) as { reason?: string; message?: string };
    return new KubeRefusal(status, reason ?? 'Unknown', message ?? said);
  } catch {
    return new KubeRefusal(status, 'Unknown', `HTTP ${status}: ${said.slice(0, 200)}`);
  }
}
