import type { Complaint } from './addresses.ts';
import { hostName } from './formats.ts';

const CODE = 'E_INVENTORY_GITOPS_URL';

/** The GitOps repository's URL, `ssh://user@host[:port]/path`. A password in it is refused without being repeated. */
export function gitUrl(text: string): Complaint | undefined {
  const hint = 'Write ssh://git@HOST/PATH.git, with :PORT after the host where it is not 22.';
  if (/^\w+:\/\/[^/@]*:[^/@]*@/.test(text)) {
    return { code: 'E_INVENTORY_SECRET_IN_FILE', message: 'the URL holds a password', hint: 'Take it out and change it; firstlight reaches the repository with the key in credentials.sops.yaml.' };
  }
  if (/^[\w.-]+@[\w.-]+:/.test(text)) {
    const [login = '', path = ''] = text.split(/:(.*)/s);
    return { code: CODE, message: `"${text}" is the short form of an SSH address`, hint: `Write ssh://${login}/${path.replace(/^\/+/, '')}.` };
  }
  const parts = /^ssh:\/\/([\w.-]+)@([^/:@]+)(?::(\d{1,5}))?\/([\w./~-]+)$/.exec(text);
  if (parts === null) return { code: CODE, message: `"${text}" is not an SSH URL with user and path`, hint };
  const [, , host = '', port, path = ''] = parts;
  if (path.split('/').includes('..')) return { code: CODE, message: `"${text}" climbs out of its folder`, hint };
  if (port !== undefined && (Number(port) < 1 || Number(port) > 65_535)) return { code: CODE, message: `${port} is not a port`, hint };
  return hostName(host);
}

/** Where well-known git hosts publish the SSH host keys of theirs. */
export const PUBLISHED_HOST_KEYS = {
  'github.com': 'https://docs.github.com/en/authentication/keeping-your-account-and-data-secure/githubs-ssh-key-fingerprints',
  'gitlab.com': 'https://docs.gitlab.com/user/gitlab_com/#ssh-known_hosts-entries',
} as const;

/** Base address of a git host's REST API. A password in it is refused without being repeated. */
export function gitApi(text: string): Complaint | undefined {
  if (/^\w+:\/\/[^/]*@/.test(text)) return { code: 'E_INVENTORY_SECRET_IN_FILE', message: 'the URL holds a user or a password', hint: 'Take it out and change it; a token is given to `firstlight git-key` by the environment or typed in.' };
  const good = /^https:\/\/[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:[1-9]\d{0,4})?(\/[\w.~-]+)*\/?$/.test(text) && !text.split('/').includes('..');
  return good ? undefined : { code: 'E_INVENTORY_GIT_API', message: `"${text}" is not the https address of an API`, hint: 'Write it like https://git.example.com/api/v1 (Gitea), /api/v4 (GitLab) or /api/v3 (GitHub); over plain http a token could be read by others.' };
}

/** The folder for this cluster inside the GitOps repository. */
export function gitopsPath(text: string): Complaint | undefined {
  const code = 'E_INVENTORY_GITOPS_PATH';
  const hint = 'Write a folder inside the repository, like clusters/gandalf.';
  const parts = text.split('/');
  if (text.startsWith('/') || parts.includes('..')) return { code, message: `"${text}" leaves the repository`, hint };
  if (!parts.every((part) => /^[A-Za-z0-9._-]+$/.test(part) && part !== '.')) return { code, message: `"${text}" is not a folder's path`, hint };
  if (parts[0] === 'machines') return { code, message: `"${text}" is where the machines are declared; Flux must not read it`, hint };
  return undefined;
}

/** A branch name as git-check-ref-format(1) allows it. */
export function branchName(text: string): Complaint | undefined {
  const bad = text === '' || /[\s~^:?*[\\\x00-\x1f\x7f]|\.\.|@\{|\/\/|^[/.-]|[/.]$|\.lock$|\/\./.test(text);
  return bad ? { code: 'E_INVENTORY_BRANCH', message: `"${text}" is not a branch name`, hint: 'Write a plain name like main.' } : undefined;
}
