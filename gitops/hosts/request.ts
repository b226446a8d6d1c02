import { problem } from '../../lib/errors.ts';
import type { Host } from '../../lib/host.ts';
import { eitherSignal } from '../../lib/signals.ts';
import { DIALECTS } from './dialects.ts';
import { refusal } from './refusals.ts';
import type { HostedRepository } from './repository.ts';

/** Milliseconds for one request. */
const DEADLINE_MS = 20_000;

/** An answer that is none of an error: its JSON and its headers. */
export type ApiAnswer = { readonly body: unknown; readonly headers: Headers };

/** Reads a token as it was given and registers it with the mask. Throws `E_GIT_TOKEN` for one that can't stand in a header, without repeating it. */
export function readToken(host: Pick<Host, 'mask'>, given: string): string {
  const token = given.trim();
  host.mask.add(token);
  if (/^[\x21-\x7e]{6,}$/.test(token)) return token;
  throw problem('E_GIT_TOKEN', 'what was given as a token has blanks, line breaks or other letters in it, or is too short', 'Copy the token alone, as the git host showed it once.');
}

/**
 * Asks the repository's part of the API (`?page=1`, or a body to post). The token goes to this one address: redirects are not
 * followed. Throws `E_GIT_API_…` with what to do for each way in which that fails; the host's own words come through the mask.
 */
export async function askApi(host: Host, repository: HostedRepository, token: string, question: { readonly query?: string; readonly post?: object }): Promise<ApiAnswer> {
  const dialect = DIALECTS[repository.kind];
  const { post, query } = question;
  let response: Response;
  let text: string;
  try {
    response = await host.fetch(`${repository.api}${dialect.path(repository)}${query === undefined ? '' : `?${query}`}`, {
      method: post ? 'POST' : 'GET', redirect: 'manual', signal: eitherSignal(host.signal, AbortSignal.timeout(DEADLINE_MS)),
      headers: { ...dialect.headers(token), 'user-agent': 'firstlight', ...(post ? { 'content-type': 'application/json' } : {}) },
      ...(post ? { body: JSON.stringify(post) } : {}),
    });
    text = await response.text();
  } catch (error) {
    host.signal.throwIfAborted();
    throw unreached(repository, error, host.mask.hide);
  }
  const body = parsed(text);
  if (!response.ok) throw refusal(repository, { status: response.status, headers: response.headers, body, now: host.clock.now(), hide: host.mask.hide });
  if (body === undefined) throw problem('E_GIT_API_BROKEN', `${repository.api} answers, but not as ${dialect.product}’s API does`, 'See gitops.host.api in cluster.yaml: it is the address of the API, not of the pages.');
  return { body, headers: response.headers };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

/** Certificates that Node's TLS does not take say so in these codes (nodejs/node: doc/api/tls.md, X509 certificate error codes). */
const CERTIFICATE = /^(DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_\w+|CERT_\w+|ERR_TLS_\w+|INVALID_\w+|HOSTNAME_MISMATCH|ERR_SSL_\w+)$/;

function unreached({ api }: HostedRepository, error: unknown, hide: (text: string) => string): Error {
  const cause = (error as { cause?: { code?: unknown; message?: unknown } }).cause;
  const code = typeof cause?.code === 'string' ? cause.code : '';
  const words = hide((error as Error).name === 'TimeoutError' ? `no answer in ${DEADLINE_MS / 1000} s` : code || String(cause?.message ?? 'the connection failed')).slice(0, 200);
  if (CERTIFICATE.test(code)) {
    return problem('E_GIT_API_TLS', `the certificate of ${api} is not trusted: ${words}`, 'Nothing was sent. For an authority of your own name its file in NODE_EXTRA_CA_CERTS; else have the certificate renewed.');
  }
  return problem('E_GIT_API_UNREACHABLE', `${api} can't be reached: ${words}`, 'See that the git host is up, and gitops.host.api in cluster.yaml; or add the key by hand: `firstlight git-key` shows it.');
}
