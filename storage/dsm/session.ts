import { z } from 'zod';
import { problem } from '../../lib/errors.ts';
import type { Host } from '../../lib/host.ts';
import type { Nas } from '../../nodes/cluster.ts';
import { dsmProblem, isSessionNumber } from './errors.ts';
import { postForm } from './transport.ts';

/** A value of a parameter. Strings go JSON-quoted, numbers and lists as JSON (entry.cgi's requestFormat JSON). */
export type DsmValue = string | number | boolean | readonly DsmValue[] | { readonly [key: string]: DsmValue };

/** An open DSM session. */
export type Dsm = {
  readonly address: string;
  /** Calls a method (version 1 unless told) and gives its `data`, checked by `shape`. Throws `E_DSM_…`. */
  call<T>(api: string, method: string, params: Readonly<Record<string, DsmValue>>, shape: z.ZodType<T>, version?: number): Promise<T>;
  /** Whether this DSM has the API at all. */
  has(api: string): boolean;
};

type Login = { readonly sid: string; readonly token: string | undefined };
type Directory = ReadonlyMap<string, { readonly path: string; readonly version: number }>;

const QUICK = 20_000;
const SLOW = 120_000;
const CHANGES = new Set(['create', 'set', 'map_target', 'enable', 'request']);

const envelope = z.looseObject({ success: z.boolean(), data: z.unknown().optional(), error: z.looseObject({ code: z.number() }).optional() });
const apiShape = z.looseObject({ path: z.string().regex(/^[A-Za-z0-9_./-]+$/), maxVersion: z.number() });
const loginData = z.looseObject({ sid: z.string().min(1), synotoken: z.string().optional() });

/**
 * Logs in to DSM, lets `use` work, and logs out whatever happens. The password is sent by POST and never twice after a
 * refusal; a session that DSM lost (105, 106, 119) is opened once again. Throws `E_DSM_…` and what `use` throws.
 */
export async function withDsm<T>(host: Host, nas: Nas, password: string, use: (dsm: Dsm) => Promise<T>): Promise<T> {
  host.mask.add(password);
  const directory = await discover(host, nas);
  let current = await login(host, nas, directory, password);
  let renewed = false;
  const dsm: Dsm = {
    address: nas.address,
    has: (api) => directory.has(api),
    async call(api, method, params, shape, version = 1) {
      const question: Call = { api, method, params, version };
      let answer = await ask(host, nas, directory, question, current);
      if (!answer.success && isSessionNumber(answer.number) && !renewed) {
        renewed = true;
        host.emit({ code: 'storage.dsm.login-again', message: `DSM lost the session (${answer.number}): logging in once again` });
        await logout(host, nas, directory, current);
        current = await login(host, nas, directory, password);
        answer = await ask(host, nas, directory, question, current);
      }
      if (!answer.success) throw dsmProblem(answer.number, api, method, nas.address);
      return checked(shape, answer.data ?? {}, nas, `${api} ${method}`);
    },
  };
  try {
    return await use(dsm);
  } finally {
    await logout(host, nas, directory, current);
  }
}

async function discover(host: Host, nas: Nas): Promise<Directory> {
  const form = new URLSearchParams({ api: 'SYNO.API.Info', version: '1', method: 'query', query: 'all' });
  const text = await postForm(nas, { path: 'query.cgi', form, headers: {}, deadlineMs: QUICK }, host.signal);
  const answer = opened(text, nas, 'SYNO.API.Info query');
  if (!answer.success) throw dsmProblem(answer.number, 'SYNO.API.Info', 'query', nas.address);
  const list = checked(z.record(z.string(), z.unknown()), answer.data, nas, 'SYNO.API.Info query');
  // More than a thousand APIs are listed: an odd one that is none of ours must not stop us.
  return new Map(Object.entries(list).flatMap(([name, api]) => {
    const known = apiShape.safeParse(api);
    return known.success ? [[name, { path: known.data.path, version: known.data.maxVersion }] as const] : [];
  }));
}

async function login(host: Host, nas: Nas, directory: Directory, password: string): Promise<Login> {
  const api = entry(directory, 'SYNO.API.Auth', nas);
  const form = new URLSearchParams({
    api: 'SYNO.API.Auth', method: 'login', version: String(Math.min(api.version, 6)),
    account: nas.user, passwd: password, session: 'firstlight', format: 'sid', enable_syno_token: 'yes',
  });
  const text = await postForm(nas, { path: api.path, form, headers: {}, deadlineMs: QUICK }, host.signal);
  const answer = opened(text, nas, 'SYNO.API.Auth login');
  if (!answer.success) throw dsmProblem(answer.number, 'SYNO.API.Auth', 'login', nas.address);
  const data = checked(loginData, answer.data, nas, 'SYNO.API.Auth login');
  host.mask.add(data.sid);
  if (data.synotoken) host.mask.add(data.synotoken);
  return { sid: data.sid, token: data.synotoken };
}

/** Best effort, also after an abort: a session left open is DSM's to time out, and must not hide the first error. */
async function logout(host: Host, nas: Nas, directory: Directory, login: Login): Promise<void> {
  const form = new URLSearchParams({ api: 'SYNO.API.Auth', method: 'logout', version: '1', session: 'firstlight' });
  const path = directory.get('SYNO.API.Auth')?.path ?? 'entry.cgi';
  const unaborted = new AbortController().signal;
  await postForm(nas, { path, form, headers: carried(login), deadlineMs: 5_000 }, unaborted).catch(() => {
    host.emit({ code: 'storage.dsm.logout-failed', message: 'DSM did not answer the log-out; the session ends by its own time-out' });
  });
}

type Call = { readonly api: string; readonly method: string; readonly params: Readonly<Record<string, DsmValue>>; readonly version: number };

async function ask(host: Host, nas: Nas, directory: Directory, { api, method, params, version }: Call, login: Login): Promise<Opened> {
  const form = new URLSearchParams({ api, method, version: String(version) });
  for (const [name, value] of Object.entries(params)) form.set(name, JSON.stringify(value));
  const post = { path: entry(directory, api, nas).path, form, headers: carried(login), deadlineMs: CHANGES.has(method) ? SLOW : QUICK };
  return opened(await postForm(nas, post, host.signal), nas, `${api} ${method}`);
}

function carried(login: Login): Record<string, string> {
  return { cookie: `id=${login.sid}`, ...(login.token === undefined ? {} : { 'x-syno-token': login.token }) };
}

function entry(directory: Directory, api: string, nas: Nas): { path: string; version: number } {
  const found = directory.get(api);
  if (!found) throw dsmProblem(102, api, 'query', nas.address);
  return found;
}

type Opened = { readonly success: true; readonly data: unknown } | { readonly success: false; readonly number: number };

function opened(text: string, nas: Nas, what: string): Opened {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    throw strange(nas, what);
  }
  const answer = checked(envelope, json, nas, what);
  return answer.success ? { success: true, data: answer.data } : { success: false, number: answer.error?.code ?? 100 };
}

function checked<T>(shape: z.ZodType<T>, data: unknown, nas: Nas, what: string): T {
  const result = shape.safeParse(data);
  if (!result.success) throw strange(nas, what, result.error.issues[0]?.path.join('.'));
  return result.data;
}

function strange(nas: Nas, what: string, field?: string) {
  const at = field ? ` (at ${field})` : '';
  return problem('E_DSM_ANSWER', `the NAS at ${nas.address}:${nas.port} answers ${what} in a way firstlight does not know${at}`,
    'See whether this address and port are DSM’s; if they are, note the DSM version and report it.');
}
