import type { GitHostKind } from '../../nodes/cluster.ts';
import type { HostedRepository } from './repository.ts';

/** A deploy key as the hosts list it; what is not listed of it is unknown. */
export type ListedKey = {
  readonly key: string;
  readonly title: string;
  readonly read_only?: boolean | undefined;
  readonly can_push?: boolean | undefined;
  readonly enabled?: boolean | undefined;
  readonly expires_at?: string | null | undefined;
};

/** What is each product's own in its API for deploy keys. */
export type Dialect = {
  /** What people call it. */
  readonly product: string;
  /** The variable of the environment that holds a token for it, as Flux's own CLI reads it. */
  readonly variable: string;
  /** What the token must be allowed to do. */
  readonly rights: string;
  /** What a read-only key can be made to write by. */
  readonly mend: string;
  readonly headers: (token: string) => Readonly<Record<string, string>>;
  /** Below the API's base address. */
  readonly path: (repository: HostedRepository) => string;
  /** For the whole list in pages of this size. */
  readonly paging: string;
  /** The body that makes a key with write access. */
  readonly body: (title: string, key: string) => object;
  readonly mayWrite: (key: ListedKey) => boolean;
};

/**
 * The three APIs, each from its own documentation: docs.github.com/rest/deploy-keys, docs.gitlab.com/api/deploy_keys, and Gitea's
 * swagger (`/repos/{owner}/{repo}/keys`; go-gitea/gitea:routers/api/v1/repo/key.go).
 */
export const DIALECTS: Readonly<Record<GitHostKind, Dialect>> = {
  github: {
    product: 'GitHub', variable: 'GITHUB_TOKEN',
    rights: 'a fine-grained token needs Administration: read and write on this repository, a classic one the scope repo; its owner must be an administrator of the repository',
    mend: 'delete it there, GitHub can’t change it',
    headers: (token) => ({ authorization: `Bearer ${token}`, accept: 'application/vnd.github+json', 'x-github-api-version': '2022-11-28' }),
    path: ({ name }) => `/repos/${name}/keys`,
    paging: 'per_page=100',
    body: (title, key) => ({ title, key, read_only: false }),
    mayWrite: (key) => key.read_only === false,
  },
  gitlab: {
    product: 'GitLab', variable: 'GITLAB_TOKEN',
    rights: 'it needs the scope api, and its owner the role Maintainer in the project',
    mend: 'tick "Grant write permissions to this key" there',
    headers: (token) => ({ 'private-token': token, accept: 'application/json' }),
    path: ({ name }) => `/projects/${encodeURIComponent(name)}/deploy_keys`,
    paging: 'per_page=100',
    body: (title, key) => ({ title, key, can_push: true }),
    mayWrite: (key) => key.can_push === true,
  },
  gitea: {
    product: 'Gitea', variable: 'GITEA_TOKEN',
    rights: 'it needs the scope write:repository, and its owner must be an administrator of the repository',
    mend: 'delete it there, Gitea can’t change it',
    headers: (token) => ({ authorization: `token ${token}`, accept: 'application/json' }),
    path: ({ name }) => `/repos/${name}/keys`,
    paging: 'limit=50',
    body: (title, key) => ({ title, key, read_only: false }),
    mayWrite: (key) => key.read_only === false,
  },
};
