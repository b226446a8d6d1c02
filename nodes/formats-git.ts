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
