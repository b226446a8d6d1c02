import { problem } from '../../lib/errors.ts';
import type { GitHostKind, Gitops } from '../../nodes/cluster.ts';
import { PUBLISHED_HOST_KEYS } from '../../nodes/formats-git.ts';
import { parseRemote } from '../remote.ts';

/** A repository on a git host whose REST API firstlight speaks. */
export type HostedRepository = {
  readonly kind: GitHostKind;
  /** Base address of the API, without a slash at the end. */
  readonly api: string;
  /** `owner/name`; on GitLab there may be groups within groups. */
  readonly name: string;
  /** The web page on which a person adds a deploy key. */
  readonly page: string;
};

const PUBLIC: Readonly<Record<string, { readonly kind: GitHostKind; readonly api: string; readonly name: keyof typeof PUBLISHED_HOST_KEYS }>> = {
  'github.com': { kind: 'github', api: 'https://api.github.com', name: 'github.com' },
  'gitlab.com': { kind: 'gitlab', api: 'https://gitlab.com/api/v4', name: 'gitlab.com' },
};
/** The same hosts' SSH on port 443 (docs.github.com: Using SSH over the HTTPS port; docs.gitlab.com: Alternate SSH). */
const OTHER_NAMES: Readonly<Record<string, string>> = { 'ssh.github.com': 'github.com', 'altssh.gitlab.com': 'gitlab.com' };

/** The repository as its host's API knows it; undefined for a git host of which only SSH is known. Throws `E_GIT_URL` where the path can't be one there. */
export function hostedRepository(gitops: Pick<Gitops, 'url' | 'host'>): HostedRepository | undefined {
  const { kind, api } = gitops.host ?? publicHost(gitops) ?? {};
  if (kind === undefined || api === undefined) return undefined;
  const name = parseRemote(gitops.url).path.replace(/^\/+|\/+$/g, '').replace(/\.git$/, '');
  const parts = name.split('/');
  if (parts.length < 2 || (kind !== 'gitlab' && parts.length > 2) || !parts.every((part) => /^[\w.-]+$/.test(part))) {
    throw problem('E_GIT_URL', `${name} in gitops.url is not owner/name, as repositories are called there`, 'Write gitops.url like ssh://git@HOST/OWNER/NAME.git.');
  }
  return { kind, api, name, page: `${webAddress(api)}/${name}${PAGES[kind]}` };
}

/** Where this git host publishes its SSH host keys, as far as that is known. */
export function publishedHostKeys(gitops: Pick<Gitops, 'url' | 'host'>): string | undefined {
  const known = publicHost(gitops);
  if (known) return PUBLISHED_HOST_KEYS[known.name];
  return gitops.host?.kind === 'gitlab' ? `${webAddress(gitops.host.api)}/help/instance_configuration#ssh-host-keys-fingerprints` : undefined;
}

const PAGES: Readonly<Record<GitHostKind, string>> = {
  github: '/settings/keys/new', gitlab: '/-/settings/repository#js-deploy-keys-settings', gitea: '/settings/keys',
};

function publicHost(gitops: Pick<Gitops, 'url'>) {
  const { host } = parseRemote(gitops.url);
  return PUBLIC[OTHER_NAMES[host] ?? host];
}

/** The web address that belongs to an API: below `/api/vN`, or of a host `api.…`, as GitHub's are. */
function webAddress(api: string): string {
  return api.replace(/\/api\/v\d+$/, '').replace('://api.', '://');
}
