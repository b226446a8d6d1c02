import { FLUX_NAMESPACE } from '../../gitops/age-secret.ts';
import { observeSuspension, resumeOurs, suspendAll } from '../../gitops/flux-suspend.ts';
import { readFlux } from '../../gitops/flux-state.ts';
import { requireGitNotOlder } from '../../gitops/git-standing.ts';
import { applyObjects, condition, getObjects, kubectl } from '../../gitops/kubectl.ts';
import { fetchNow } from '../../gitops/kustomizations.ts';
import { gitopsOf, openRepository, requireGitKey } from '../../gitops/repository.ts';
import { applySourceSecret } from '../../gitops/source-secret.ts';
import { waitFor } from '../../lib/conditions.ts';
import type { Host } from '../../lib/host.ts';
import type { Facts } from '../facts.ts';
import type { Step } from '../step.ts';

/** Which recovery Flux was let go on after, so that a run that goes on then does not suspend it again. Not an annotation in Flux's namespace: Flux takes away what others write there. */
const MARK = { name: 'firstlight-recovery', namespace: 'kube-system', key: 'resumedAfter' } as const;

/**
 * The controllers that are begun anew, by the label `app` of their pods (fluxcd/flux2:manifests/bases). Not source-controller: what it
 * fetched lies in its pod, and the others wait minutes for an artifact that is gone.
 */
const CONTROLLERS = ['kustomize-controller', 'helm-controller'];

/**
 * Flux changes nothing until the state that came back was compared with git: whatever of it acts is suspended, as the first act after the
 * API server answers. `id` tells one recovery from another. Nothing to do where the cluster has no Flux (yet).
 */
export function suspendFluxStep(facts: Facts, id: string, needs: readonly string[]): Step {
  return {
    id: 'suspend-flux', part: 'Recovery', title: 'Flux waits', needs,
    async observe(host) {
      if (await resumedAfter(host, facts) === id) return { state: 'done', detail: 'it was let go on already' };
      const { acting, ours, owners } = await observeSuspension(host, facts.kubeconfig);
      if (acting.length > 0) return { state: 'needed', why: `acting: ${acting.join(', ')}` };
      if (ours.length + owners.length === 0) return { state: 'done', detail: 'the cluster has no Flux' };
      return { state: 'done', detail: `suspended: ${ours.join(', ') || 'nothing'}${owners.length > 0 ? `; by its owner: ${owners.join(', ')}` : ''}` };
    },
    act: (host) => suspendAll(host, facts.kubeconfig),
  };
}

/** Milliseconds until Flux has fetched: its controller's image may have to be pulled first. */
const FETCH_MS = 15 * 60_000;

/**
 * Flux goes on, once git is known to be at or ahead of what the cluster had applied, and Flux itself holds that very commit: it acts on
 * what it fetched last, which may be older than what git has now. Else it stays suspended and the step says so (`E_FLUX_GIT_OLDER`).
 */
export function resumeFluxStep(facts: Facts, id: string, needs: readonly string[]): Step {
  const standing = async (host: Host): Promise<string> => requireGitNotOlder(host, facts.cluster, facts.kubeconfig, await openRepository(host, facts.cluster, await facts.credentials(host)));
  return {
    id: 'resume-flux', part: 'Recovery', title: 'Flux goes on: git is not older than what came back', needs,
    async observe(host) {
      const { ours, released } = await observeSuspension(host, facts.kubeconfig);
      if (ours.length > 0) return { state: 'needed', why: `suspended: ${ours.join(', ')}` };
      if (released.length > 0) return { state: 'needed', why: `its owner let it go on: ${released.join(', ')}` };
      const there = await getObjects(host, facts.kubeconfig, [`namespaces/${FLUX_NAMESPACE}`]);
      if (there.length === 0) return { state: 'done', detail: 'the cluster has no Flux yet' };
      return await resumedAfter(host, facts) === id ? { state: 'done', detail: 'it acts' } : { state: 'needed', why: 'to be noted' };
    },
    async act(host) {
      const { ours } = await observeSuspension(host, facts.kubeconfig);
      if (ours.length > 0) {
        host.emit({ code: 'recovery.git', message: await standing(host) });
        await fetched(host, facts);
      }
      await restartControllers(host, facts);
      await applyObjects(host, facts.kubeconfig, [{ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: MARK.name, namespace: MARK.namespace }, data: { [MARK.key]: id } }]);
      await resumeOurs(host, facts.kubeconfig);
    },
  };
}

/**
 * Flux has fetched the commit that the branch is at, in this life of its controller and from the git host that stands there now: what
 * its status tells of before is gone with its pod, and the others would ask for that for minutes.
 */
async function fetched(host: Host, facts: Facts): Promise<void> {
  const { source } = await readFlux(host, facts.kubeconfig);
  if (!source) return;
  await applySourceSecret(host, facts.kubeconfig, gitopsOf(facts.cluster), requireGitKey(await facts.credentials(host)));
  const asked = await fetchNow(host, facts.kubeconfig);
  const look = async (): Promise<string | undefined> => {
    const now = (await readFlux(host, facts.kubeconfig)).source;
    if (!now) return undefined;
    const { artifact, lastHandledReconcileAt } = (now.status ?? {}) as { readonly artifact?: { readonly revision?: string }; readonly lastHandledReconcileAt?: string };
    if (lastHandledReconcileAt !== asked) return 'it has not looked yet';
    const { revision } = await openRepository(host, facts.cluster, await facts.credentials(host));
    const { met, message } = condition(now);
    return met && artifact?.revision?.endsWith(revision) ? undefined : `it holds ${artifact?.revision ?? 'nothing'}, git is at ${revision.slice(0, 8)}: ${message}`;
  };
  await waitFor({
    name: 'Flux holds what git has now', deadlineMs: FETCH_MS, everyMs: 1_000, hint: 'See `flux get sources git`; Flux stays suspended until then, or it would act on what it fetched before.',
    look: async () => {
      const seen = await look();
      return seen === undefined ? { met: true, value: true } : { met: false, seen };
    },
  }, host);
}

/**
 * Flux's controllers begin anew: what they watched is gone, and they would try the API server again only after as long as a minute, with
 * what they remember of the old one (Kubernetes, "Restoring an etcd cluster", recommends it for whatever watches). Their Deployments make the pods again.
 */
async function restartControllers(host: Host, facts: Facts): Promise<void> {
  await kubectl(host, facts.kubeconfig, ['delete', 'pods', '-n', FLUX_NAMESPACE, '-l', `app in (${CONTROLLERS.join(',')})`, '--ignore-not-found', '--wait=false']);
}

async function resumedAfter(host: Host, facts: Facts): Promise<string | undefined> {
  return (await getObjects(host, facts.kubeconfig, ['-n', MARK.namespace, `configmaps/${MARK.name}`]))[0]?.data?.[MARK.key];
}
