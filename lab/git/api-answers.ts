import type { IncomingHttpHeaders } from 'node:http';
import type { GitApiFault, LabDeployKey, LabGitApi } from './api.ts';

/** Whose API. */
export type GitApiKind = 'github' | 'gitlab' | 'gitea';

/** An answer before it is written: JSON, or a page where the body is text. */
export type GitApiAnswer = { readonly status: number; readonly body: unknown; readonly headers?: Readonly<Record<string, string>> };

/** How a product answers about deploy keys. */
export type GitApiHost = {
  readonly base: string;
  readonly path: (repository: string) => string;
  readonly token: (headers: IncomingHttpHeaders) => string | undefined;
  readonly refusedHeaders?: (headers: IncomingHttpHeaders) => GitApiAnswer | undefined;
  readonly unauthorized: GitApiAnswer;
  readonly forbidden: GitApiAnswer;
  readonly notFound: GitApiAnswer;
  readonly moved: (api: string) => GitApiAnswer;
  readonly limited: (how: Extract<GitApiFault, 'spent' | 'too fast'>, now: number) => GitApiAnswer;
  readonly list: (keys: readonly LabDeployKey[], url: URL) => GitApiAnswer;
  readonly add: (lab: LabGitApi, body: Readonly<Record<string, unknown>>) => GitApiAnswer;
};

/**
 * The three hosts' answers. GitHub's and GitLab's are those of their documentation (docs.github.com/rest/deploy-keys,
 * docs.gitlab.com/api/deploy_keys) and, where that has none, of errors that people met (community.general#6718,
 * gitlabform#19); Gitea's those of its source (go-gitea/gitea:routers/api/v1/repo/key.go).
 */
export const HOSTS: Readonly<Record<GitApiKind, GitApiHost>> = {
  github: {
    base: '',
    path: (repository) => `/repos/${repository}/keys`,
    token: ({ authorization }) => /^(?:Bearer|token) (\S+)$/.exec(authorization ?? '')?.[1],
    refusedHeaders: (headers) => {
      if (!headers['user-agent']) return github(403, 'Request forbidden by administrative rules. Please make sure your request has a User-Agent header');
      const version = headers['x-github-api-version'];
      return version === undefined || version === '2022-11-28' ? undefined : github(400, `"${String(version)}" is not a valid version`);
    },
    unauthorized: github(401, 'Bad credentials'),
    forbidden: github(403, 'Resource not accessible by personal access token'),
    notFound: github(404, 'Not Found'),
    moved: (api) => ({ status: 301, headers: { location: `${api}/repositories/4711/keys` }, body: { message: 'Moved Permanently', url: `${api}/repositories/4711/keys` } }),
    limited: (how, now) => (how === 'spent'
      ? { ...github(403, 'API rate limit exceeded for user ID 4711.'), headers: { 'x-ratelimit-limit': '5000', 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': String(Math.ceil(now / 1000) + 1800) } }
      : { ...github(403, 'You have exceeded a secondary rate limit. Please wait a few minutes before you try again.'), headers: { 'retry-after': '60' } }),
    list: (keys, url) => paged(keys.map(githubKey), url, { size: 'per_page', most: 100, tells: 'link' }),
    add: (lab, { title, key, read_only: readOnly }) => {
      if (typeof key !== 'string' || !/^(ssh|ecdsa)-\S+ \S+/.test(key)) return unprocessable("key is invalid. You must supply a key in OpenSSH public key format");
      if (lab.taken.has(plain(key)) || lab.keys.some((each) => plain(each.content) === plain(key))) return unprocessable('key is already in use');
      return { status: 201, body: githubKey(added(lab, title, key, readOnly !== true)) };
    },
  },
  gitlab: {
    base: '/api/v4',
    path: (repository) => `/projects/${encodeURIComponent(repository)}/deploy_keys`,
    token: (headers) => headers['private-token'] as string | undefined ?? /^Bearer (\S+)$/.exec(headers.authorization ?? '')?.[1],
    unauthorized: { status: 401, body: { message: '401 Unauthorized' } },
    forbidden: { status: 403, body: { error: 'insufficient_scope', error_description: 'The request requires higher privileges than provided by the access token.', scope: 'api' } },
    notFound: { status: 404, body: { message: '404 Project Not Found' } },
    moved: (api) => ({ status: 301, headers: { location: `${api}/projects/4711/deploy_keys` }, body: { message: 'This resource has been moved permanently' } }),
    limited: () => ({ status: 429, body: 'Retry later\n', headers: { 'retry-after': '45', 'ratelimit-remaining': '0' } }),
    list: (keys, url) => paged(keys.map(gitlabKey), url, { size: 'per_page', most: 100, tells: 'link' }),
    add: (lab, { title, key, can_push: canPush }) => {
      if (typeof title !== 'string' || typeof key !== 'string') return { status: 400, body: { error: `${typeof title === 'string' ? 'key' : 'title'} is missing` } };
      const mine = lab.keys.find((each) => plain(each.content) === plain(key));
      if (mine) return { status: 201, body: gitlabKey(mine) };
      if (lab.taken.has(plain(key))) return { status: 400, body: { message: { 'deploy_key.fingerprint_sha256': ['has already been taken'] } } };
      return { status: 201, body: gitlabKey(added(lab, title, key, canPush === true)) };
    },
  },
  gitea: {
    base: '/api/v1',
    path: (repository) => `/repos/${repository}/keys`,
    token: ({ authorization }) => /^(?:Bearer|token) (\S+)$/.exec(authorization ?? '')?.[1],
    unauthorized: gitea(401, 'invalid username, password or token'),
    forbidden: gitea(403, 'token does not have at least one of required scope(s), required=[write:repository], token scope=read:repository'),
    notFound: { status: 404, body: { errors: null, message: "The target couldn't be found.", url: '/api/swagger' } },
    moved: (api) => ({ status: 301, headers: { location: `${api}/repos/other/name/keys` }, body: '<a href="/">Moved Permanently</a>' }),
    limited: () => ({ status: 429, body: 'Too Many Requests', headers: {} }),
    list: (keys, url) => paged(keys.map(giteaKey), url, { size: 'limit', most: 50, tells: 'total' }),
    add: (lab, { title, key, read_only: readOnly }) => {
      if (typeof key !== 'string' || typeof title !== 'string') return gitea(422, '[Key]: Required');
      if (lab.keys.some((each) => plain(each.content) === plain(key))) return gitea(422, 'This key has already been added to this repository');
      if (lab.taken.has(plain(key))) return gitea(422, 'Key content has been used as non-deploy key');
      if (lab.keys.some((each) => each.title === title)) return gitea(422, 'A key with the same name already exists');
      return { status: 201, body: giteaKey(added(lab, title, key, readOnly !== true)) };
    },
  },
};

function github(status: number, message: string): GitApiAnswer {
  return { status, body: { message, documentation_url: 'https://docs.github.com/rest/deploy-keys/deploy-keys', status: String(status) } };
}

function unprocessable(message: string): GitApiAnswer {
  const { body } = github(422, 'Validation Failed');
  return { status: 422, body: { ...body as object, errors: [{ resource: 'PublicKey', code: 'custom', field: 'key', message }] } };
}

function gitea(status: number, message: string): GitApiAnswer {
  return { status, body: { message, url: '/api/swagger' } };
}

const CREATED = '2026-11-22T10:12:29Z';

/** GitHub leaves the comment of a key away. */
function githubKey({ id, content, title, mayWrite, enabled = true }: LabDeployKey): object {
  return { id, key: plain(content), url: `/keys/${id}`, title, verified: true, created_at: CREATED, read_only: !mayWrite, added_by: 'owner', last_used: null, enabled };
}

function gitlabKey({ id, content, title, mayWrite, expires }: LabDeployKey): object {
  return { id, title, key: content, created_at: CREATED, expires_at: expires ?? null, can_push: mayWrite };
}

function giteaKey({ id, content, title, mayWrite }: LabDeployKey): object {
  return { id, key_id: id + 1000, key: content, url: `/keys/${id}`, title, fingerprint: '', created_at: CREATED, read_only: !mayWrite };
}

function added(lab: LabGitApi, title: unknown, content: string, mayWrite: boolean): LabDeployKey {
  const key = { id: lab.keys.length + 1, title: String(title ?? ''), content, mayWrite };
  lab.keys.push(key);
  return key;
}

/** One page of a list; the others are told of in Link, or by their number alone. */
function paged(items: readonly object[], url: URL, how: { readonly size: string; readonly most: number; readonly tells: 'link' | 'total' }): GitApiAnswer {
  const size = Math.min(Number(url.searchParams.get(how.size) ?? 30), how.most);
  const page = Number(url.searchParams.get('page') ?? 1);
  const body = items.slice((page - 1) * size, page * size);
  if (how.tells === 'total') return { status: 200, body, headers: { 'x-total-count': String(items.length) } };
  const next = new URL(url);
  next.searchParams.set('page', String(page + 1));
  return { status: 200, body, headers: page * size < items.length ? { link: `<${next.href}>; rel="next"` } : {} };
}

function plain(key: string): string {
  return key.trim().split(/\s+/).slice(0, 2).join(' ');
}
