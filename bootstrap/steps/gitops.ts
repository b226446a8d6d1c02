import { waitFor } from '../../lib/conditions.ts';
import { problem } from '../../lib/errors.ts';
import type { Host } from '../../lib/host.ts';
import { readLock, updateLock } from '../../lib/lock-file.ts';
import { clusterIdentities } from '../../nodes/credentials.ts';
import { ensureAgeSecret, observeAgeSecret } from '../../gitops/age-secret.ts';
import { ensureCsiSecret, observeCsiSecret } from '../../gitops/csi-secret.ts';
import { bootstrapFlux, observeFlux } from '../../gitops/flux.ts';
import { restoreFlux } from '../../gitops/flux-restore.ts';
import type { FluxWay } from '../../gitops/flux-state.ts';
import { observeKustomizations, observeSecretDelivered, reconcileNow } from '../../gitops/kustomizations.ts';
import { openRepository, type Repository } from '../../gitops/repository.ts';
import type { Facts } from '../facts.ts';
import type { Step } from '../step.ts';

/** One clone of the GitOps repository for a run, in the scratch folder, brought up to date at each look. */
export function createRepositoryRoom(facts: Facts): (host: Host) => Promise<Repository> {
  return async (host) => openRepository(host, facts.cluster, await facts.credentials(host));
}

type Room = (host: Host) => Promise<Repository>;

/** The NAS credentials for the CSI driver, as a SOPS-encrypted Secret in the GitOps repository. */
export function csiSecretStep(facts: Facts, room: Room, needs: readonly string[]): Step {
  return {
    id: 'csi-secret',
    part: 'GitOps',
    title: 'CSI credentials in the GitOps repository',
    needs,
    observe: async (host) => observeCsiSecret(host, facts.cluster, await facts.credentials(host), await room(host)),
    act: async (host) => { await ensureCsiSecret(host, facts.cluster, await facts.credentials(host), await room(host)); },
  };
}

/** Namespace flux-system and Secret sops-age, before Flux needs them. */
export function ageSecretStep(facts: Facts, needs: readonly string[]): Step {
  const identities = async (host: Host): Promise<readonly string[]> => {
    const found = clusterIdentities(await facts.credentials(host));
    if (found.length > 0) return found;
    throw problem('E_CREDENTIALS_MISSING', 'clusterIdentity is missing', 'Put the cluster’s age identity into credentials.sops.yaml with `sops edit`.');
  };
  return {
    id: 'age-secret',
    part: 'GitOps',
    title: 'Age identity in the cluster',
    needs,
    observe: async (host) => observeAgeSecret(host, facts.kubeconfig, await identities(host)),
    act: async (host) => { await ensureAgeSecret(host, facts.kubeconfig, await identities(host)); },
  };
}

/** Flux in the cluster, by its real CLI or from the repository's own manifests; its version is pinned when it is there. */
export function fluxStep(facts: Facts, needs: readonly string[], way: FluxWay = 'bootstrap'): Step {
  const look = (host: Host) => observeFlux(host, facts.cluster, facts.kubeconfig, way);
  const pinned = async (): Promise<string | undefined> => (await readLock(facts.lockFile)).flux;
  return {
    id: 'flux',
    part: 'GitOps',
    title: way === 'offline' ? 'Flux from the repository’s manifests' : 'Flux bootstrap',
    needs,
    async observe(host) {
      const [seen, pin] = [await look(host), await pinned()];
      if (seen.state === 'needed' || (pin !== undefined && (way !== 'upgrade' || pin === seen.version))) return seen;
      return { state: 'needed', why: `Flux ${seen.version ?? ''} is there; its version is to be pinned` };
    },
    async act(host) {
      const seen = await look(host);
      const flux = seen.state === 'done' ? seen.version : await bring(host);
      if (flux !== undefined) await updateLock(facts.lockFile, { flux });
    },
  };
  async function bring(host: Host): Promise<string> {
    const [credentials, pin] = [await facts.credentials(host), await pinned()];
    return way === 'offline' ? restoreFlux(host, facts.cluster, credentials, facts.kubeconfig, pin)
      : bootstrapFlux(host, facts.cluster, credentials, facts.kubeconfig, { pinned: pin, way });
  }
}

/** The same step for a run that writes nothing to git: what it would have written is told instead (`E_GIT_OFFLINE`). */
export function writingNothing(step: Step): Step {
  return {
    ...step,
    async act(host) {
      const seen = await step.observe(host);
      const why = seen.state === 'needed' ? seen.why : seen.detail;
      throw problem('E_GIT_OFFLINE', `${step.title}: ${why}. With --offline nothing is written to git`, 'Commit and push it yourself, or leave --offline out.');
    },
  };
}

/** Milliseconds without a change after which Flux is asked to try again what failed: by itself it waits for `retryInterval`, minutes. */
const ASK_AGAIN_MS = 20_000;

/** Every Kustomization Ready at the pushed revision, and the encrypted Secret there in the clear for its reader. */
export function reconciledStep(facts: Facts, room: Room): Step {
  const look = async (host: Host): Promise<{ readonly waiting: string[]; readonly failed: string[]; readonly count: number; readonly revision: string }> => {
    const repository = await room(host);
    const seen = await observeKustomizations(host, facts.cluster, facts.kubeconfig, repository.revision);
    const waiting = seen.filter((kustomization) => !kustomization.ready).map((kustomization) => `${kustomization.name}: ${kustomization.message}`);
    if (seen.length === 0) waiting.push('no Kustomization yet');
    if (waiting.length === 0 && facts.cluster.nas) {
      const delivered = await observeSecretDelivered(host, facts.cluster, await facts.credentials(host), facts.kubeconfig);
      if (delivered.state === 'needed') waiting.push(delivered.why);
    }
    const failed = seen.filter((kustomization) => kustomization.failed && !kustomization.name.includes('/')).map(({ name }) => name);
    return { waiting, failed, count: seen.length, revision: repository.revision };
  };
  return {
    id: 'reconciled',
    part: 'GitOps',
    title: 'Kustomizations Ready at the pushed revision',
    needs: ['flux'],
    async observe(host) {
      const { waiting, count, revision } = await look(host);
      if (waiting.length > 0) return { state: 'needed', why: waiting.join('; ') };
      return { state: 'done', detail: `${count} Kustomizations at ${revision.slice(0, 8)}${facts.cluster.nas ? ', NAS account decrypted' : ''}` };
    },
    async act(host) {
      await reconcileNow(host, facts.kubeconfig);
      let still = { seen: '', since: host.clock.now() };
      await waitFor({
        name: 'every Kustomization is Ready at the pushed revision',
        deadlineMs: 10 * 60_000,
        everyMs: 1_000,
        hint: 'See `flux get kustomizations` and the controllers’ logs for the one named above.',
        look: async () => {
          const { waiting, failed } = await look(host);
          if (waiting.length === 0) return { met: true, value: true };
          const [seen, now] = [waiting.join('; '), host.clock.now()];
          if (seen !== still.seen) still = { seen, since: now };
          else if (failed.length > 0 && now - still.since >= ASK_AGAIN_MS) {
            still = { seen, since: now };
            await reconcileNow(host, facts.kubeconfig, failed);
          }
          return { met: false, seen };
        },
      }, host);
    },
  };
}
