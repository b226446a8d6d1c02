import { problem } from '../lib/errors.ts';
import type { Gitops } from '../nodes/cluster.ts';

/** A git host as SSH sees it. */
export type Remote = { readonly user: string; readonly host: string; readonly port: number; readonly path: string };

/** Takes `ssh://user@host[:port]/path` apart. Throws `E_GIT_URL` for anything else. */
export function parseRemote(url: string): Remote {
  let parsed: URL | undefined;
  try {
    parsed = new URL(url);
  } catch { /* told below */ }
  if (parsed?.protocol !== 'ssh:' || !parsed.hostname || !parsed.username || parsed.pathname.length < 2 || parsed.password) {
    throw problem('E_GIT_URL', 'gitops.url is not of the form ssh://user@host[:port]/path', 'Write it like ssh://git@github.com/owner/homelab.git; other transports are not there yet.');
  }
  const host = parsed.hostname.replace(/^\[|\]$/g, '');
  return { user: decodeURIComponent(parsed.username), host, port: parsed.port ? Number(parsed.port) : 22, path: parsed.pathname };
}

/** The known_hosts line of the pinned key, as OpenSSH and Go look it up: `host key`, or `[host]:port key` where the port is not 22. */
export function knownHostsLine(gitops: Pick<Gitops, 'url' | 'hostKey'>): string {
  const { host, port } = parseRemote(gitops.url);
  const name = port === 22 ? host : `[${host}]:${port}`;
  return `${name} ${gitops.hostKey.trim().split(/\s+/).slice(0, 2).join(' ')}`;
}

/** `user@host:port`, for messages. */
export function remoteName(gitops: Pick<Gitops, 'url'>): string {
  const { user, host, port } = parseRemote(gitops.url);
  return `${user}@${host}${port === 22 ? '' : `:${port}`}`;
}
