import type { Draft, Fault } from './fault.ts';

/** Whose API the public hosts have. */
const PUBLIC: Readonly<Record<string, string>> = { 'github.com': 'github', 'ssh.github.com': 'github', 'gitlab.com': 'gitlab', 'altssh.gitlab.com': 'gitlab' };

/** What is known of a public git host is not declared otherwise. */
export function* gitHostAgrees(draft: Draft): Iterable<Fault> {
  const { url, host } = draft.gitops ?? {};
  if (url === undefined || host?.kind === undefined) return;
  const name = new URL(url).hostname;
  const known = PUBLIC[name];
  if (known === undefined || known === host.kind) return;
  yield { code: 'E_INVENTORY_GIT_HOST', path: ['gitops', 'host', 'kind'], message: `gitops.host.kind: ${name} does not have the API of ${host.kind}`, hint: 'Take the section host out: firstlight knows that host.' };
}
