import { once } from 'node:events';
import { createServer as createPlain, type IncomingMessage, type RequestListener } from 'node:http';
import { createServer as createSecure } from 'node:https';
import { HOSTS, type GitApiAnswer, type GitApiKind } from './api-answers.ts';

/** A deploy key in the lab's git host; `content` as it was sent. */
export type LabDeployKey = { readonly id: number; readonly title: string; readonly content: string; readonly mayWrite: boolean; readonly enabled?: boolean; readonly expires?: string };

/** What a token may do: see to the repository, only read it, or not even see it. */
export type TokenRights = 'admin' | 'read' | 'none';

/** What is wrong with the host: too many requests of this hour or in too short a time, out of order, silent, repository renamed, a web page in place of the API. */
export type GitApiFault = 'spent' | 'too fast' | 'down' | 'hang' | 'moved' | 'page';

/** Where it listens (over TLS with a certificate), whose API it has, the one repository there is, and who may what. */
export type GitApiOptions = {
  readonly kind: GitApiKind;
  readonly address: string;
  readonly port: number;
  readonly repository: string;
  readonly tokens: Readonly<Record<string, TokenRights>>;
  readonly tls?: { readonly crt: string; readonly key: string };
};

/** A running API for deploy keys. */
export type LabGitApi = {
  /** Base address of the API. */
  readonly api: string;
  /** The repository's keys, oldest first; a test may put its own in. */
  readonly keys: LabDeployKey[];
  /** Public keys (type and key) that other repositories and users have. */
  readonly taken: Set<string>;
  /** Every request, as `POST /path 201`. */
  readonly requests: string[];
  fault: GitApiFault | undefined;
  close(): Promise<void>;
};

/** Starts the part of GitHub's, GitLab's or Gitea's REST API that is about a repository's deploy keys. Port 0 takes a free one. */
export async function startGitApi(options: GitApiOptions): Promise<LabGitApi> {
  const host = HOSTS[options.kind];
  const serve: RequestListener = (request, response) => void (async () => {
    const text = await textOf(request);
    if (lab.fault === 'hang') return;
    const { status, body, headers = {} } = answer(request, text);
    lab.requests.push(`${request.method} ${request.url} ${status}`);
    response.writeHead(status, { 'content-type': typeof body === 'string' ? 'text/html; charset=utf-8' : 'application/json; charset=utf-8', ...headers });
    response.end(typeof body === 'string' ? body : JSON.stringify(body));
  })().catch(() => response.destroy());

  const answer = (request: IncomingMessage, text: string): GitApiAnswer => {
    const url = new URL(request.url ?? '/', lab.api);
    if (lab.fault === 'page') return { status: 200, body: '<!doctype html><title>Explore</title>' };
    if (lab.fault === 'down') return { status: 502, body: '<html><title>502 Bad Gateway</title></html>' };
    if (lab.fault === 'spent' || lab.fault === 'too fast') return host.limited(lab.fault, Date.now());
    const token = host.token(request.headers);
    const rights = token === undefined ? undefined : options.tokens[token];
    if (rights === undefined) return host.unauthorized;
    const wrong = host.refusedHeaders?.(request.headers);
    if (wrong) return wrong;
    if (rights === 'none' || url.pathname !== new URL(lab.api).pathname.replace(/\/$/, '') + host.path(options.repository)) return host.notFound;
    if (lab.fault === 'moved') return host.moved(lab.api);
    if (rights === 'read') return host.forbidden;
    if (request.method === 'GET') return host.list(lab.keys, url);
    if (request.method !== 'POST') return { status: 405, body: { message: 'Method Not Allowed' } };
    return host.add(lab, JSON.parse(text) as Record<string, unknown>);
  };
  const server = options.tls ? createSecure({ cert: options.tls.crt, key: options.tls.key }, serve) : createPlain(serve);
  server.listen(options.port, options.address);
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  const lab: LabGitApi = {
    api: `${options.tls ? 'https' : 'http'}://${options.address}:${port}${host.base}`,
    keys: [], taken: new Set(), requests: [], fault: undefined,
    close: async () => {
      const gone = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await gone;
    },
  };
  return lab;
}

async function textOf(request: IncomingMessage): Promise<string> {
  let text = '';
  for await (const piece of request) text += String(piece);
  return text;
}
