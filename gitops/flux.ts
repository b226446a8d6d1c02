import { problem, type FirstlightError } from '../lib/errors.ts';
import type { Host } from '../lib/host.ts';
import type { Cluster, Gitops } from '../nodes/cluster.ts';
import type { Credentials } from '../nodes/credentials.ts';
import { withKeyAgent } from './agent.ts';
import { readFluxManifests, wantedComponents } from './flux-manifests.ts';
import { missingParts, readFlux, refuseConflicts, type FluxWay } from './flux-state.ts';
import { writeKnownHosts } from './git.ts';
import { gitProblem } from './git-errors.ts';
import { fetchNow } from './kustomizations.ts';
import { done, needed, type Observation } from './observation.ts';
import { remoteName } from './remote.ts';
import { gitopsOf, openRepository, requireGitKey } from './repository.ts';
import { applySourceSecret, trustsPinnedKey } from './source-secret.ts';

/** Milliseconds for the whole bootstrap: images come over the owner's line. */
const DEADLINE_MS = 15 * 60_000;

/**
 * Looks whether Flux runs and follows the inventory's repository, branch and host key; on the way `upgrade` also whether it is of the
 * flux program's version. Throws what kubectl throws.
 */
export async function observeFlux(host: Host, cluster: Cluster, kubeconfig: string, way: FluxWay = 'bootstrap'): Promise<Observation & { readonly version?: string }> {
  const state = await readFlux(host, kubeconfig);
  const missing = missingParts(state, gitopsOf(cluster));
  if (way === 'upgrade' && state.version !== undefined) {
    const comes = await cliVersion(host);
    if (comes !== state.version) missing.push(`Flux ${state.version} is to become ${comes}`);
  }
  if (missing.length > 0) return needed(missing.join('; '));
  return { ...done(`Flux ${state.version ?? ''} follows ${gitopsOf(cluster).branch} of ${remoteName(gitopsOf(cluster))}`), ...(state.version === undefined ? {} : { version: state.version }) };
}

/**
 * Whether the flux program is of the version that the repository (its work tree `root`) and the lock file have; where it is not, what a
 * bootstrap would say, as a note: a cluster that has everything is left alone. Throws what running the program throws.
 */
export async function fluxReport(host: Host, gitops: Gitops, root: string, pinned: string | undefined): Promise<string> {
  const [comes, there] = [await cliVersion(host), await readFluxManifests(root, gitops)];
  try {
    refuseConflicts({ deployments: new Map() }, gitops, { comes, cluster: undefined, repository: there?.version, pinned }, 'bootstrap');
  } catch (error) {
    const { message, hint } = error as FirstlightError;
    return `! ${message}. ${hint}`;
  }
  return `${comes}${pinned === undefined ? '; the first `up` pins it' : ', as pinned'}${there ? ' and in the repository' : ''}`;
}

/** How a bootstrap is to go: which version of Flux is pinned, if any, and whether a newer one may be committed. */
export type BootstrapChoice = { readonly pinned?: string | undefined; readonly way?: 'bootstrap' | 'upgrade' };

/**
 * Runs the real `flux bootstrap git` with the controllers that the repository needs, and gives the version of Flux. Only the pinned
 * host key is trusted, by the CLI and afterwards by Flux; the git key is lent by an agent and stands in no argument, file or environment. Conflicts, another
 * version and an unreachable git host end it before anything is written. Running it again finishes what an interrupted run began.
 * Throws `E_FLUX_PATH`, `E_FLUX_SUSPENDED`, `E_FLUX_VERSION`, `E_FLUX_CONFLICT`, `E_GIT_…`, `E_KUBE_…`, `E_FLUX_BOOTSTRAP`.
 */
export async function bootstrapFlux(host: Host, cluster: Cluster, credentials: Credentials, kubeconfig: string, choice: BootstrapChoice = {}): Promise<string> {
  const gitops = gitopsOf(cluster);
  const key = requireGitKey(credentials);
  const [version, state, { folder }] = await Promise.all([cliVersion(host), readFlux(host, kubeconfig), openRepository(host, cluster, credentials)]);
  const there = await readFluxManifests(folder, gitops);
  refuseConflicts(state, gitops, { comes: version, cluster: state.version, repository: there?.version, pinned: choice.pinned }, choice.way ?? 'bootstrap');
  const components = await wantedComponents(folder, gitops, there?.names ?? []);
  const knownHosts = await writeKnownHosts(host, gitops);
  await withKeyAgent(host, key, async (agent) => {
    await applySourceSecret(host, kubeconfig, gitops, key);
    if (state.source) await fetchNow(host, kubeconfig);
    await runBootstrap(host, gitops, { version, ...components }, { KUBECONFIG: kubeconfig, SSH_AUTH_SOCK: agent, SSH_KNOWN_HOSTS: knownHosts });
  });
  const after = await readFlux(host, kubeconfig);
  if (!trustsPinnedKey(after.secret, gitops)) {
    throw problem('E_GIT_HOST_KEY', 'after the bootstrap the Secret flux-system trusts another host key than the pinned one', 'See who else writes this Secret; then run again.');
  }
  return version;
}

type Release = { readonly version: string; readonly plain: readonly string[]; readonly extra: readonly string[] };

async function runBootstrap(host: Host, gitops: Gitops, { version, plain, extra }: Release, env: Readonly<Record<string, string>>): Promise<void> {
  const args = ['bootstrap', 'git', `--url=${gitops.url}`, `--branch=${gitops.branch}`, `--path=${gitops.path}`, '--silent',
    `--components=${plain.join(',')}`, ...(extra.length > 0 ? [`--components-extra=${extra.join(',')}`] : []),
    `--version=${version}`, `--timeout=${Math.round(DEADLINE_MS / 1000) - 30}s`, '--author-name=firstlight', '--author-email=firstlight@localhost'];
  const answer = await host.run({
    program: 'flux', args, env, timeoutMs: DEADLINE_MS, accept: 'any',
    onStderrLine: (line) => host.emit({ code: 'flux.progress', message: host.mask.hide(line.trim()) }),
  });
  if (answer.exitCode !== 0) throw bootstrapProblem(gitops, host.mask.hide(answer.stderr));
}

/** The CLI's own version, as it stands in its manifests (`v2.9.5`). */
async function cliVersion(host: Host): Promise<string> {
  const { stdout } = await host.run({ program: 'flux', args: ['version', '--client', '--output=json'], timeoutMs: 20_000 });
  const version = /"flux":\s*"(v[^"]+)"/.exec(stdout)?.[1];
  if (version) return version;
  throw problem('E_FLUX_CLI', 'the flux program does not tell its version', 'Run `firstlight tools` to fetch the pinned flux.');
}

function bootstrapProblem(gitops: Gitops, stderr: string): Error {
  const told = stderr.split('\n').map((line) => line.trim()).filter((line) => line.startsWith('✗')).map((line) => line.slice(1).trim());
  const words = (told.length > 0 ? told.join(' | ') : stderr.trim().split('\n').slice(-3).join(' | ')).slice(0, 1_000);
  if (/knownhosts: key (mismatch|is unknown)/.test(words)) {
    return problem('E_GIT_HOST_KEY', `the git host ${remoteName(gitops)} shows Flux another key than gitops.hostKey`,
      'If the host has keys of several types, pin the one `ssh-keyscan -t ecdsa` prints: Flux asks for that type first. Otherwise find out why it changed.');
  }
  if (/unable to authenticate/.test(words)) return gitProblem(gitops, 'Permission denied (publickey)', (text) => text);
  if (/failed to push|hook declined/.test(words)) return gitProblem(gitops, `[remote rejected] ${words}`, (text) => text);
  if (/failed to clone repository/.test(words)) return gitProblem(gitops, words, (text) => text);
  const lacking = /open \S*\/([a-z-]+)\.yaml: no such file/.exec(words)?.[1];
  if (lacking !== undefined) {
    return problem('E_FLUX_COMPONENT', `the flux program here can't install ${lacking}, which the repository needs: it was built on this machine, from firstlight's three controllers alone`,
      'Nothing was committed. Put the published program of that version on PATH (github.com/fluxcd/flux2/releases), then run again.');
  }
  return problem('E_FLUX_BOOTSTRAP', `flux bootstrap failed: ${words}`, 'See `flux get all` and `kubectl -n flux-system get pods`; running again goes on from there.');
}
