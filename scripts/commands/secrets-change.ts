import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { readCredentials } from '../../bootstrap/credentials.ts';
import { createFacts } from '../../bootstrap/facts.ts';
import { followSteps } from '../../bootstrap/follow.ts';
import { runSteps } from '../../bootstrap/runner.ts';
import { gitopsOf, openRepository } from '../../gitops/repository.ts';
import { REKEYED } from '../../gitops/secrets/ages.ts';
import { catchUp, pushToFlux, requireBranch } from '../../gitops/secrets/own-branch.ts';
import { commitOwn, pushOwn } from '../../gitops/secrets/own-git.ts';
import { rekeyAll } from '../../gitops/secrets/rekey.ts';
import { setSecret } from '../../gitops/secrets/set.ts';
import { secretUsers } from '../../gitops/secrets/users.ts';
import { readersOf, type Homelab } from '../../gitops/secrets/homelab.ts';
import { problem } from '../../lib/errors.ts';
import { withSignal } from '../../lib/host.ts';
import type { Cluster } from '../../nodes/cluster.ts';
import { provideTools } from '../provide-tools.ts';
import type { Session } from '../session.ts';
import { secretInput } from '../terminal/secret-input.ts';
import { duration } from '../terminal/view.ts';
import { fromRoot, openDesk, takePaper } from './secrets-desk.ts';

const PATIENCE_MS = 60_000;

/** `firstlight secrets set PATH KEY [--push]`: the value from a pipe or asked for; encrypted, committed; if told pushed, and Flux waited for. */
export async function setSecretValue(session: Session, path: string | undefined, options: Record<string, unknown>, words: readonly string[]): Promise<number> {
  const { host, view } = session;
  const homelab = await openDesk(session);
  const file = fromRoot(homelab, path);
  const key = words[1];
  if (key === undefined) throw problem('E_USAGE_SECRET', 'no key was named', `Name it: firstlight secrets set ${file} token.`);
  const value = await secretInput(`The value of ${key} in ${file} (not shown):`, host.signal);
  const namespace = options['namespace'];
  const done = await setSecret(host, homelab, { path: file, key, value, ...(typeof namespace === 'string' ? { namespace } : {}) });
  const users = done.secret ? await secretUsers(host, homelab, done.secret.name) : [];
  if (!done.changed) view.say(`${key} in ${file} has that value already: nothing was changed.`);
  else view.say(`${key} in ${file} is ${done.created ? 'set, in a new file' : 'changed'}.`);
  await finish(session, homelab, `Set ${key} in ${file}`, done.paths, options['push'] === true);
  if (users.length > 0) view.say(`Used by: ${users.map((user) => `${user.kind} ${user.name} (${user.path})`).join(', ')}. Pods take a changed value when they start anew, unless it is mounted as a file.`);
  return 0;
}

/** `firstlight secrets edit PATH`: the decrypted file in $EDITOR, by sops itself; its copy lies in memory. */
export async function editSecret(session: Session, path: string | undefined, options: Record<string, unknown>): Promise<number> {
  const homelab = await openDesk(session);
  const file = fromRoot(homelab, path);
  const sops = session.programs.get('sops') ?? 'sops';
  const code = await session.view.aside(async () => {
    const child = spawn(sops, ['edit', join(homelab.root, file)], { stdio: 'inherit', env: { ...session.environment, TMPDIR: session.host.scratch } });
    const [ended] = await once(child, 'exit') as [number | null];
    return ended;
  });
  // 200: sops's own word for "nothing was changed" (getsops/sops: cmd/sops/codes).
  if (code === 200) return 0;
  if (code !== 0) throw problem('E_SOPS', `sops could not edit ${file}`, 'Its own words are above.', { where: { file } });
  await finish(session, homelab, `Change ${file}`, [file], options['push'] === true);
  return 0;
}

/** `firstlight secrets update`: every file whose recipients are not the inventory's, encrypted anew for those. */
export async function updateSecrets(session: Session, _path: string | undefined, options: Record<string, unknown>): Promise<number> {
  const homelab = await openDesk(session);
  if (options['withPaper']) await takePaper(session);
  const changed = await rekeyAll(session.host, homelab);
  session.view.say(changed.length === 0 ? 'Every file is encrypted for the inventory’s recipients already.' : `Encrypted anew: ${changed.join(', ')}.`);
  await finish(session, homelab, `Encrypt for the inventory's recipients\n\n${REKEYED}`, changed, options['push'] === true);
  return 0;
}

/** Commits what was changed; where that was asked for pushes it, and waits until every cluster that reads it has applied it. */
export async function finish(session: Session, homelab: Homelab, message: string, paths: readonly string[], push: boolean): Promise<void> {
  const commit = await commitOwn(session.host, homelab.root, message, paths);
  if (commit !== undefined) session.view.say(`Committed as ${commit.slice(0, 8)}${push ? '' : '; `git push` brings it to Flux'}.`);
  if (!push) return;
  const clusters = homelab.clusters.filter((cluster) => cluster.gitops && paths.some((path) => readersOf(homelab, path).includes(cluster)));
  const [first] = clusters;
  if (first) await pushForFlux(session, homelab, first);
  else await pushOwn(session.host, homelab.root);
  session.view.say('Pushed.');
  for (const cluster of clusters) await follow(session, cluster);
}

/** Pushes to the branch that Flux follows, by the inventory's key. Throws `E_SECRETS_BRANCH`, `E_SECRETS_APART`, `E_GIT_…`. */
async function pushForFlux(session: Session, homelab: Homelab, cluster: Cluster): Promise<void> {
  const { host } = session;
  await requireBranch(host, homelab.root, gitopsOf(cluster).branch);
  const repository = await openRepository(host, cluster, await readCredentials(host, cluster));
  await catchUp(host, homelab.root, repository);
  await pushToFlux(host, homelab.root, repository);
}

/** Waits until the cluster's Flux has applied what was pushed. */
async function follow(session: Session, cluster: Cluster): Promise<void> {
  const { host, view } = session;
  await provideTools(session, ['talosctl', 'kubectl', 'sops']);
  const steps = followSteps(createFacts(cluster, host.scratch), PATIENCE_MS);
  view.begin(steps);
  const { ms } = await runSteps(steps, withSignal(host, host.signal));
  await view.end();
  view.say(`${cluster.name}'s Flux has applied it, ${duration(ms)} after the push.`);
}
