import { problem, type FirstlightError } from '../../lib/errors.ts';
import { DIALECTS } from './dialects.ts';
import type { HostedRepository } from './repository.ts';

/** An answer of an API with an error's status; `now` in milliseconds since 1970, `hide` the mask. */
export type Refused = { readonly status: number; readonly headers: Headers; readonly body: unknown; readonly now: number; readonly hide: (text: string) => string };

/** The coded error for an API's refusal, with what to do about it. */
export function refusal(repository: HostedRepository, refused: Refused): FirstlightError {
  const { kind, name, api, page } = repository;
  const { product, variable, rights } = DIALECTS[kind];
  const { status } = refused;
  const words = wordsOf(refused);
  const said = words === '' ? `it answered ${status}` : words;
  const wait = limited(refused, words);
  if (wait !== undefined) return problem('E_GIT_API_LIMIT', `${product} takes no more requests for now: ${said}`, `Run it again ${wait}.`);
  switch (status) {
    case 401:
      return problem('E_GIT_API_TOKEN', `${product} does not take the token: ${said}`, `Make a new one, and put it into ${variable}: ${rights}.`);
    case 403:
      return problem('E_GIT_API_FORBIDDEN', `the token may not see to the deploy keys of ${name}: ${said}`, `For that ${rights}. Or add the key by hand: \`firstlight git-key\` shows it, at ${page}.`);
    case 404:
      return problem('E_GIT_API_NO_REPOSITORY', `${product} knows no repository ${name}, or hides it from this token`, `See gitops.url in cluster.yaml, and the token: ${rights}.`);
    case 301: case 302: case 303: case 307: case 308:
      return problem('E_GIT_API_MOVED', `${name} was renamed or moved: ${api} points elsewhere, where the token was not sent`, 'Write its new name into gitops.url (or the API’s new address into gitops.host.api) in cluster.yaml.');
    case 400: case 409: case 422:
      if (/already in use|already been taken|used as non-deploy key|already been added/i.test(words)) {
        return problem('E_GIT_API_KEY_IN_USE', `${product} knows this key already, from another repository or as somebody’s own: ${said}`,
          'One key opens one repository. Take it away there, or make another with `ssh-keygen -t ed25519 -N "" -f FILE` and give it with `firstlight secrets set machines/<cluster>/credentials.sops.yaml gitKey < FILE`.');
      }
      break;
    default:
  }
  if (status >= 500) return problem('E_GIT_API_BROKEN', `${product} at ${api} is out of order: ${said}`, 'Run it again later; running again goes on from there.');
  return problem('E_GIT_API_REFUSED', `${product} refuses the key (${status}): ${said}`, `Its own words are above; or add the key by hand: \`firstlight git-key\` shows it, at ${page}.`);
}

/**
 * When to come back, where this is about too many requests. GitHub says so with 403 as well as 429
 * (docs.github.com/rest/using-the-rest-api/rate-limits-for-the-rest-api), GitLab with 429.
 */
function limited({ status, headers, now }: Refused, words: string): string | undefined {
  const spent = headers.get('x-ratelimit-remaining') === '0';
  const seconds = Number(headers.get('retry-after') ?? Number.NaN);
  if (status !== 429 && !(status === 403 && (spent || Number.isFinite(seconds) || /rate limit/i.test(words)))) return undefined;
  const reset = Number(headers.get('x-ratelimit-reset') ?? Number.NaN) - now / 1000;
  const left = Number.isFinite(seconds) ? seconds : spent && reset > 0 ? reset : 60;
  return left < 120 ? `in ${Math.ceil(left)} s` : `in ${Math.ceil(left / 60)} minutes`;
}

/** What the host says: GitHub's message and its list of errors, GitLab's message (a text or lists by field) or OAuth error, Gitea's message. */
function wordsOf({ body, hide }: Refused): string {
  if (typeof body !== 'object' || body === null) return '';
  const { message, errors, error, error_description: described } = body as Record<string, unknown>;
  const parts = [message, errors, described ?? error].flatMap(flat);
  return hide([...new Set(parts)].join('; ')).replace(/\s+/g, ' ').slice(0, 300);
}

function flat(value: unknown): string[] {
  if (typeof value === 'string') return value === '' ? [] : [value];
  if (Array.isArray(value)) return value.flatMap(flat);
  if (typeof value !== 'object' || value === null) return [];
  const { message } = value as { message?: unknown };
  if (typeof message === 'string') return [message];
  return Object.entries(value).flatMap(([field, inner]) => flat(inner).map((text) => `${field} ${text}`));
}
