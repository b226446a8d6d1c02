import { readCredentials } from '../../bootstrap/credentials.ts';
import { createFacts } from '../../bootstrap/facts.ts';
import { followSteps } from '../../bootstrap/follow.ts';
import { runSteps } from '../../bootstrap/runner.ts';
import { gitopsOf, openRepository, type Repository } from '../../gitops/repository.ts';
import { REKEYED } from '../../gitops/secrets/ages.ts';
import { catchUp, pushToFlux, requireBranch, requireReady } from '../../gitops/secrets/own-branch.ts';
import { commitOwn, pushOwn } from '../../gitops/secrets/own-git.ts';
import { rekeyAll, rekeyedBefore } from '../../gitops/secrets/rekey.ts';
import { setSecret } from '../../gitops/secrets/set.ts';
import { secretUsers } from '../../gitops/secrets/users.ts';
import { openHomelab, readersOf, type Homelab } from '../../gitops/secrets/homelab.ts';
import { problem } from '../../lib/errors.ts';
import { withSignal } from '../../lib/host.ts';
import type { Cluster } from '../../nodes/cluster.ts';
import { provideTools } from '../provide-tools.ts';
import type { Session } from '../session.ts';
import { secretValue } from '../terminal/secret-input.ts';
import { duration } from '../terminal/view.ts';
import { fromRoot, openDesk, takePaper } from './secrets-desk.ts';

const PATIENCE_MS = 60_000;

/** `firstlight secrets set PATH KEY [--push]`: the value from a pipe or asked for; encrypted, committed; if told pushed, and Flux waited for. */
export async function setSecretValue(session: Session, path: string | undefined, options: Record<string, unknown>, words: readonly string[]): Promise<number> {
  const { host, view } = session;
  const desk = await openDesk(session);
  const file = fromRoot(desk, path);
  const key = words[1];
  if (key === undefined) throw problem('E_USAGE_SECRET', 'no key was named', `Name it: firstlight secrets set ${file} token.`);
  const homelab = await makeReady(session, desk, options['push'] === true, file);
  const value = await secretValue(`The value of ${key} in ${file} (not shown):`, host.signal);
  const namespace = options['namespace'];
  const { changed, created, paths, secret } = await setSecret(host, homelab, { path: file, key, value, ...(typeof namespace === 'string' ? { namespace } : {}) });
  const users = secret ? await secretUsers(host, homelab, secret.name) : [];
  if (!changed) view.say(`${key} in ${file} has that value already: nothing was changed.`);
  else view.say(`${key} in ${file} is ${created ? 'set, in a new file' : 'changed'}.`);
  const finished = await finish(session, homelab, `Set ${key} in ${file}`, paths, options['push'] === true);
  if (users.length > 0) view.say(`Used by: ${users.map((user) => `${user.kind} ${user.name} (${user.path})`).join(', ')}. Pods take a changed value when they start anew, unless it is mounted as a file.`);
  host.emit({ code: 'secrets.set', data: { path: file, key, changed, created, ...finished, users } });
  return 0;
}

/** `firstlight secrets update`: every file whose recipients are not the inventory's, encrypted anew for those. */
export async function updateSecrets(session: Session, _path: string | undefined, options: Record<string, unknown>): Promise<number> {
  const desk = await openDesk(session);
  if (options['withPaper']) await takePaper(session);
  const homelab = await makeReady(session, desk, options['push'] === true);
  const changed = await rekeyAll(session.host, homelab);
  session.view.say(changed.length === 0 ? 'Every file is encrypted for the inventory’s recipients already.' : `Encrypted anew: ${changed.join(', ')}.`);
  const finished = await finish(session, homelab, `Encrypt for the inventory's recipients\n\n${REKEYED}`, [...changed, ...await rekeyedBefore(session.host, homelab)], options['push'] === true);
  session.host.emit({ code: 'secrets.updated', data: { paths: changed, ...finished } });
  return 0;
}

/** How a change ended: its commit (undefined where there was nothing new), and the clusters whose Flux has applied it. */
export type Finished = { readonly commit: string | undefined; readonly pushed: boolean; readonly followed: readonly string[] };

/**
 * Commits what was changed in these files, also by an earlier run that was cut off; where that was asked for pushes it, and waits
 * until every cluster that reads them has applied it.
 */
export async function finish(session: Session, homelab: Homelab, message: string, paths: readonly string[], push: boolean): Promise<Finished> {
  const commit = await commitOwn(session.host, homelab.root, message, paths);
  if (commit !== undefined) session.view.say(`Committed as ${commit.slice(0, 8)}${push ? '' : '; `git push` brings it to Flux'}.`);
  if (!push) return { commit, pushed: false, followed: [] };
  const clusters = homelab.clusters.filter((cluster) => cluster.gitops && (paths.length === 0 || paths.some((path) => readersOf(homelab, path).includes(cluster))));
  const [first] = clusters;
  if (first) await pushForFlux(session, homelab, first);
  else await pushOwn(session.host, homelab.root);
  session.view.say('Pushed.');
  for (const cluster of clusters) await follow(session, cluster);
  return { commit, pushed: true, followed: clusters.map((cluster) => cluster.name) };
}

/**
 * Sees, before anything is changed, that the work tree takes a commit; and where it is to be pushed, brings it forward to the git
 * host's, so that the push won't be refused for what others did. Gives the repository as it is then. Throws what `requireReady` and
 * `catchUp` throw.
 */
export async function makeReady(session: Session, homelab: Homelab, push: boolean, path?: string): Promise<Homelab> {
  const { host } = session;
  await requireReady(host, homelab.root);
  const first = push ? homelab.clusters.find((cluster) => cluster.gitops && (path === undefined || readersOf(homelab, path).includes(cluster))) : undefined;
  if (!first) return homelab;
  await brought(session, homelab, first);
  return openHomelab(host, homelab.root);
}

/** Pushes to the branch that Flux follows, by the inventory's key. Throws `E_SECRETS_BRANCH`, `E_SECRETS_APART`, `E_GIT_…`. */
async function pushForFlux(session: Session, homelab: Homelab, cluster: Cluster): Promise<void> {
  await pushToFlux(session.host, homelab.root, await brought(session, homelab, cluster));
}

async function brought({ host }: Session, homelab: Homelab, cluster: Cluster): Promise<Repository> {
  await requireBranch(host, homelab.root, gitopsOf(cluster).branch);
  const repository = await openRepository(host, cluster, await readCredentials(host, cluster));
  await catchUp(host, homelab.root, repository);
  return repository;
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
