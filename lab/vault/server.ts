import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import { issue } from '../kubernetes/pki.ts';
import { answerApi } from './api.ts';
import { makeAuthority } from './authority.ts';
import { answerLogin, type Principal, type Tokens } from './login.ts';
import { createVaultStore, VaultRefusal, type VaultStore } from './store.ts';

/** What can be wrong with a vault; a test sets and clears it. `times` counts down, without it the fault stays. */
export type VaultFault =
  | { readonly kind: 'throttle'; readonly retryAfter: number; times?: number }
  | { readonly kind: 'error'; readonly status: number; times?: number }
  | { readonly kind: 'firewall' | 'hang' | 'secret expired' };

/** One call that the vault saw. */
export type VaultRequest = { readonly method: string; readonly path: string; readonly status: number };

/** A vault and the log-in before it, at one https address. */
export type LabVault = {
  /** `https://address:port`, of the vault and of the log-in. */
  readonly url: string;
  /** PEM of the authority that signed its certificate. */
  readonly ca: string;
  readonly store: VaultStore;
  readonly requests: readonly VaultRequest[];
  fault: VaultFault | undefined;
  close(): Promise<void>;
};

/** Where it listens, and who may log in. */
export type VaultOptions = { readonly address: string; readonly port: number; readonly principals: readonly Principal[]; readonly now?: () => number };

/** Starts an Azure Key Vault's REST API for secrets with Microsoft Entra's log-in, under an authority of its own. */
export async function startVault(options: VaultOptions): Promise<LabVault> {
  const authority = await makeAuthority('CN=Vault Authority');
  const leaf = await issue(authority, { commonName: 'vault', sans: [options.address], usages: ['server'], days: 30 });
  const base = `https://${options.address}:${options.port}`;
  const tokens: Tokens = new Map();
  const requests: VaultRequest[] = [];
  const vault: LabVault = {
    url: base, ca: authority.crt, store: createVaultStore(options.now), requests, fault: undefined,
    close: async () => {
      server.closeAllConnections();
      await once(server.close(), 'close');
    },
  };
  const server = createServer({ cert: leaf.crt, key: leaf.key }, (request, response) => void serve(request, response).catch(() => response.destroy()));
  const serve = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const url = new URL(request.url ?? '/', base);
    const text = await textOf(request);
    if (vault.fault?.kind === 'hang') return;
    const { status, body, headers = {} } = answer(request, url, text);
    requests.push({ method: request.method ?? '', path: url.pathname, status });
    response.writeHead(status, { ...(body === undefined ? {} : { 'content-type': 'application/json; charset=utf-8' }), 'cache-control': 'no-cache', ...headers });
    response.end(body === undefined ? undefined : JSON.stringify(body));
  };
  const answer = (request: IncomingMessage, url: URL, text: string): { status: number; body?: unknown; headers?: Readonly<Record<string, string>> } => {
    const login = answerLogin(base, options.principals, tokens, url, new URLSearchParams(text), vault.fault?.kind === 'secret expired');
    if (login) return login;
    try {
      const principal = pass(vault, base, options.principals, tokens, request.headers.authorization);
      allow(principal, request.method ?? '', url);
      return answerApi(vault.store, base, { method: request.method ?? '', url, body: text === '' ? undefined : JSON.parse(text) });
    } catch (error) {
      if (!(error instanceof VaultRefusal)) throw error;
      return { status: error.status, headers: error.headers, body: { error: { code: error.code, message: error.message, ...(error.inner === undefined ? {} : { innererror: { code: error.inner } }) } } };
    }
  };
  server.listen(options.port, options.address);
  await once(server, 'listening');
  return vault;
}

/** The door: faults first, then the token. Who has none is told where to get one and for which resource. */
function pass(vault: LabVault, base: string, principals: readonly Principal[], tokens: Tokens, authorization: string | undefined): Principal {
  takeFault(vault);
  const token = tokens.get(/^Bearer (.+)$/.exec(authorization ?? '')?.[1] ?? '');
  const challenge = { headers: { 'www-authenticate': `Bearer authorization="${base}/${principals[0]?.tenant ?? ''}", resource="${base}"` } };
  if (!authorization) throw new VaultRefusal(401, 'Unauthorized', 'AKV10000: Request is missing a Bearer or PoP token.', challenge);
  if (!token || token.until < Date.now()) throw new VaultRefusal(401, 'Unauthorized', 'AKV10000: Request is missing a valid Bearer or PoP token.', challenge);
  if (token.resource !== base) throw new VaultRefusal(401, 'Unauthorized', `AKV10022: Invalid audience. Expected ${base}, found: ${token.resource}.`, challenge);
  return token.principal;
}

function takeFault(vault: LabVault): void {
  const { fault } = vault;
  if (!fault) return;
  if ('times' in fault && fault.times !== undefined) {
    fault.times -= 1;
    if (fault.times <= 0) vault.fault = undefined;
  }
  if (fault.kind === 'throttle') {
    throw new VaultRefusal(429, 'Throttled', 'Request was not processed because too many requests were received. Reason: VaultRequestTypeLimitReached', { headers: { 'retry-after': String(fault.retryAfter) } });
  }
  if (fault.kind === 'error') throw new VaultRefusal(fault.status, 'InternalServerError', 'An internal error has occurred.');
  if (fault.kind === 'firewall') throw new VaultRefusal(403, 'Forbidden', 'Client address is not authorized and caller is not a trusted service.', { inner: 'ForbiddenByFirewall' });
}

/** Azure's roles: *Key Vault Secrets User* reads, *Key Vault Secrets Officer* writes too. A principal without either may do nothing. */
function allow(principal: Principal, method: string, url: URL): void {
  const reads = method === 'GET' && url.pathname.startsWith('/secrets');
  if (principal.may === 'write' || (principal.may === 'read' && reads)) return;
  const action = { GET: 'getSecret', PUT: 'setSecret', PATCH: 'update', POST: 'recover', DELETE: 'delete' }[method] ?? method;
  throw new VaultRefusal(403, 'Forbidden', `Caller is not authorized to perform action on resource.\r\nIf role assignments, deny assignments or role definitions were changed recently, please observe propagation time.\r\nAction: 'Microsoft.KeyVault/vaults/secrets/${action}/action'`, { inner: 'ForbiddenByRbac' });
}

async function textOf(request: IncomingMessage): Promise<string> {
  const parts: Buffer[] = [];
  let length = 0;
  for await (const part of request as AsyncIterable<Buffer>) {
    length += part.length;
    if (length > 64 * 1024) throw new Error('body too long');
    parts.push(part);
  }
  return Buffer.concat(parts).toString('utf8');
}
