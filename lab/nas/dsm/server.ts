import { randomBytes } from 'node:crypto';
import { createServer as createHttp, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from 'node:http';
import { createServer as createHttps } from 'node:https';
import type { NasState } from '../state.ts';
import type { NasCertificate } from '../types.ts';
import { DsmRefusal, type Parameters } from './parameters.ts';
import { sanMethods } from './san.ts';

type Answer = { readonly code: number; readonly data?: unknown; readonly wrote: boolean };

const LONGEST_FORM = 1024 * 1024;
const BLOCK_AFTER = 3;
const COMPOUND = 'SYNO.Entry.Request';

/**
 * The DSM web API: `/webapi/query.cgi`, `auth.cgi` and `entry.cgi`, by GET or POST form, errors as numbers with HTTP 200.
 * What a request changed is saved before it is answered.
 */
export function createDsmServer(state: NasState, certificate: NasCertificate | undefined, save: () => Promise<void>): Server {
  const listener: RequestListener = (request, response) => void serve(state, request, response, save).catch(() => response.destroy());
  return certificate ? createHttps({ cert: certificate.cert, key: certificate.key }, listener) : createHttp(listener);
}

async function serve(state: NasState, request: IncomingMessage, response: ServerResponse, save: () => Promise<void>): Promise<void> {
  if (state.fault?.kind === 'hang') return;
  const url = new URL(request.url ?? '/', 'http://dsm');
  const parameters = new Map([...url.searchParams, ...new URLSearchParams(await body(request))]);
  const api = parameters.get('api') ?? '';
  const method = parameters.get('method') ?? '';
  let changed = false;
  const note = (name: string, called: string, answer: Answer): void => {
    changed ||= answer.wrote;
    state.requests.push({ api: name, method: called, verb: request.method ?? '', wrote: answer.wrote, code: answer.code });
  };
  const answer = /^\/webapi\/(query|auth|entry)\.cgi$/.test(url.pathname)
    ? await answerTo(state, api, method, parameters, request, note) : { code: 102, wrote: false };
  note(api, method, answer);
  if (changed) await save();
  const text = JSON.stringify(answer.code === 0 ? { success: true, ...(answer.data === undefined ? {} : { data: answer.data }) } : { success: false, error: { code: answer.code } });
  response.writeHead(200, { 'content-type': 'application/json; charset="UTF-8"', 'content-length': Buffer.byteLength(text) });
  if (!isCut(state, api, method)) return void response.end(text);
  response.write(text.slice(0, text.length / 2), () => request.socket.destroy());
}

async function body(request: IncomingMessage): Promise<string> {
  const parts: Buffer[] = [];
  let length = 0;
  for await (const part of request as AsyncIterable<Buffer>) {
    length += part.length;
    if (length > LONGEST_FORM) throw new Error('form too long');
    parts.push(part);
  }
  return Buffer.concat(parts).toString('utf8');
}

function isCut({ fault }: NasState, api: string, method: string): boolean {
  return fault?.kind === 'cut' && (fault.api ?? api) === api && (fault.method ?? method) === method;
}

type Note = (api: string, method: string, answer: Answer) => void;

async function answerTo(state: NasState, api: string, method: string, parameters: Parameters, request: IncomingMessage, note: Note): Promise<Answer> {
  const fault = takeFault(state, api, method);
  if (fault !== undefined) return { code: fault, wrote: false };
  if (!api || !method || !parameters.has('version')) return { code: 101, wrote: false };
  if (api === 'SYNO.API.Info') return { code: 0, data: directory(state), wrote: false };
  if (api === 'SYNO.API.Auth') return authenticate(state, method, parameters, request);
  if (api === COMPOUND && method === 'request') return { code: checkSession(state, parameters, request), wrote: false, data: await compound(state, parameters, request, note) };
  const methods = apis(state)[api];
  if (!methods) return { code: 102, wrote: false };
  const found = Object.hasOwn(methods, method) ? methods[method] : undefined;
  if (!found) return { code: 103, wrote: false };
  if (parameters.get('version') !== '1') return { code: 104, wrote: false };
  const refused = checkSession(state, parameters, request);
  if (refused !== 0) return { code: refused, wrote: false };
  if (state.fault?.kind === 'forget' && state.fault.api === api && state.fault.method === method) return { code: 0, data: {}, wrote: false };
  try {
    return { code: 0, data: await found.run(state, parameters), wrote: found.writes };
  } catch (error) {
    if (error instanceof DsmRefusal) return { code: error.code, wrote: false };
    throw error;
  }
}

/** Several calls in one: each is answered for itself, in order; `stop_when_error` ends at the first that fails. */
async function compound(state: NasState, parameters: Parameters, request: IncomingMessage, note: Note): Promise<unknown> {
  if (checkSession(state, parameters, request) !== 0) return undefined;
  const calls = JSON.parse(parameters.get('compound') ?? '[]') as Readonly<Record<string, unknown>>[];
  const result: object[] = [];
  for (const { api, method, version, ...rest } of calls) {
    const inner = new Map([['api', String(api)], ['method', String(method)], ['version', String(version)], ...Object.entries(rest).map(([key, value]): [string, string] => [key, JSON.stringify(value)])]);
    const answer = await answerTo(state, String(api), String(method), inner, request, note);
    note(String(api), String(method), answer);
    result.push({ api, method, version, success: answer.code === 0, ...(answer.code === 0 ? { data: answer.data } : { error: { code: answer.code } }) });
    if (answer.code !== 0 && parameters.get('stop_when_error') === 'true') break;
  }
  return { has_fail: result.some((each) => !(each as { success: boolean }).success), result };
}

function takeFault(state: NasState, api: string, method: string): number | undefined {
  const { fault } = state;
  if (fault?.kind !== 'dsm error') return undefined;
  if ((fault.api ?? api) !== api || (fault.method ?? method) !== method) return undefined;
  if (fault.times !== undefined) state.fault = fault.times > 1 ? { ...fault, times: fault.times - 1 } : undefined;
  return fault.code;
}

/** The APIs this DSM has: hosts came with DSM 7. */
function apis(state: NasState): typeof sanMethods {
  const { 'SYNO.Core.ISCSI.Host': hosts, ...others } = sanMethods;
  return state.options.dsm === 6 || hosts === undefined ? others : sanMethods;
}

function directory(state: NasState): Record<string, unknown> {
  const names = ['SYNO.API.Auth', COMPOUND, ...Object.keys(apis(state))];
  const entries = names.map((name) => [name, { path: 'entry.cgi', minVersion: 1, maxVersion: name === 'SYNO.API.Auth' ? 7 : 1, requestFormat: 'JSON' }]);
  // The list of a real DSM has more than a thousand entries, of packages too.
  return { ...Object.fromEntries(entries), 'SYNO.Odd.Package': { path: 'odd package.cgi', maxVersion: '1' }, 'SYNO.API.Info': { path: 'entry.cgi', minVersion: 1, maxVersion: 1 } };
}

function authenticate(state: NasState, method: string, parameters: Parameters, request: IncomingMessage): Answer {
  if (method === 'logout') {
    const sid = sidOf(parameters, request);
    return { code: sid !== undefined && state.logins.delete(sid) ? 0 : 119, wrote: false };
  }
  if (method !== 'login') return { code: 103, wrote: false };
  if (state.failedLogins >= BLOCK_AFTER) return { code: 407, wrote: false };
  const { user, password } = state.options.account;
  if (parameters.get('account') !== user || parameters.get('passwd') !== password) {
    state.failedLogins += 1;
    return { code: 400, wrote: false };
  }
  const sid = randomBytes(32).toString('base64url');
  const token = parameters.get('enable_syno_token') === 'yes' ? randomBytes(9).toString('base64url') : undefined;
  state.logins.set(sid, { token });
  return { code: 0, data: { sid, is_portal_port: false, ...(token === undefined ? {} : { synotoken: token }) }, wrote: false };
}

/** 119 without a known session; 105 where the session has a token and the request does not carry it. */
function checkSession(state: NasState, parameters: Parameters, request: IncomingMessage): number {
  const sid = sidOf(parameters, request);
  const login = sid === undefined ? undefined : state.logins.get(sid);
  if (!login) return 119;
  const token = request.headers['x-syno-token'] ?? parameters.get('SynoToken');
  return login.token === undefined || login.token === token ? 0 : 105;
}

function sidOf(parameters: Parameters, request: IncomingMessage): string | undefined {
  const cookie = /(?:^|;\s*)id=([^;]+)/.exec(request.headers.cookie ?? '')?.[1];
  return cookie ?? parameters.get('_sid');
}
