import { gitopsOf, requireGitKey } from '../../gitops/repository.ts';
import { publicHalf } from '../../gitops/agent.ts';
import { deployKeyTitle, ensureDeployKey, keyFingerprint } from '../../gitops/hosts/deploy-key.ts';
import { DIALECTS } from '../../gitops/hosts/dialects.ts';
import { hostedRepository, type HostedRepository } from '../../gitops/hosts/repository.ts';
import { remoteName } from '../../gitops/remote.ts';
import { readCredentials } from '../../bootstrap/credentials.ts';
import { problem } from '../../lib/errors.ts';
import { openCluster } from '../open-cluster.ts';
import { provideTools } from '../provide-tools.ts';
import type { Session } from '../session.ts';
import { secretInput } from '../terminal/secret-input.ts';

/** `firstlight git-key [cluster] [--install]`: the public half of the git key on standard output, or given write access by the git host's API. */
export async function gitKeyCommand(session: Session, argument: string | undefined, options: Record<string, unknown>): Promise<number> {
  const { host, view } = session;
  const cluster = await openCluster(argument);
  const gitops = gitopsOf(cluster);
  const repository = hostedRepository(gitops);
  if (options['install'] && !repository) {
    throw problem('E_GIT_API_NONE', `of the git host ${remoteName(gitops)} only SSH is known, so no key can be installed there`,
      'Say in cluster.yaml what it is: gitops.host: { kind: gitea } (or gitlab, github); or give the key access by hand: `firstlight git-key` shows it.');
  }
  // Taken out of the environment before any program is run.
  const token = options['install'] && repository ? takeToken(session, repository) : undefined;
  await provideTools(session, ['sops']);
  const key = publicHalf(requireGitKey(await readCredentials(host, cluster)));
  const line = `${key} firstlight-${cluster.name}`;
  const title = deployKeyTitle(cluster.name, key);
  if (!repository || !options['install']) {
    view.say(repository ? `With write access, as "${title}", this key belongs to ${repository.name}: ${repository.page}\n\`firstlight git-key ${cluster.name} --install\` puts it there.`
      : `Let this key read and write ${gitops.url}:`);
    process.stdout.write(options['json'] ? `${JSON.stringify({ code: 'git-key', data: { key: line, fingerprint: keyFingerprint(key), ...(repository ? { title, page: repository.page } : {}) } })}\n` : `${line}\n`);
    return 0;
  }
  const { product, variable } = DIALECTS[repository.kind];
  const given = token ?? await secretInput(`A token for ${product} at ${new URL(repository.api).host} (not shown; or put it into ${variable}):`, host.signal);
  const done = await ensureDeployKey(host, repository, { public: line, title }, given);
  view.say(done === 'there' ? `${repository.name} has the key already, with write access: nothing was changed.` : `${repository.name} has the key now, with write access, as "${title}".`);
  if (options['json']) process.stdout.write(`${JSON.stringify({ code: 'git-key', data: { key: line, fingerprint: keyFingerprint(key), installed: done } })}\n`);
  return 0;
}

function takeToken(session: Session, repository: HostedRepository): string | undefined {
  const { variable } = DIALECTS[repository.kind];
  const token = session.environment[variable];
  delete session.environment[variable];
  if (token) session.host.mask.add(token);
  return token || undefined;
}
