import { waitFor } from '../../lib/conditions.ts';
import type { Host } from '../../lib/host.ts';
import type { Repository } from '../../gitops/repository.ts';
import { openVault, type VaultClient } from '../../gitops/vault/client.ts';
import { ensureVaultManifests, observeVaultManifests } from '../../gitops/vault/delivery.ts';
import { proveVault, type VaultLook } from '../../gitops/vault/look.ts';
import { observeSynced, refreshNow, type VaultState } from '../../gitops/vault/state.ts';
import type { Vault } from '../../nodes/cluster.ts';
import type { Facts } from '../facts.ts';
import type { Step } from '../step.ts';

type Room = (host: Host) => Promise<Repository>;

/** Reads every secret that the inventory keeps in the vault, and says how old each is and which ends soon. */
export async function vaultReport(host: Host, facts: Facts, vault: Vault): Promise<string> {
  return told(await proveVault(host, vault, await open(host, facts, vault)));
}

/** Proof that the vault and every secret of it can be read: before anything is made that would wait for them. A look, so there is nothing to act on. */
export function vaultStep(facts: Facts, vault: Vault): Step {
  return {
    id: 'vault', part: 'Secrets', title: `Secrets in ${new URL(vault.url).host}`, needs: ['credentials'],
    observe: async (host) => ({ state: 'done', detail: await vaultReport(host, facts, vault) }),
    act: async () => {},
  };
}

/** The ClusterSecretStore with its service principal, encrypted, and the ExternalSecrets, in the GitOps repository. */
export function vaultManifestsStep(facts: Facts, vault: Vault, room: Room, needs: readonly string[]): Step {
  return {
    id: 'vault-manifests', part: 'GitOps', title: 'The vault in the GitOps repository', needs,
    observe: async (host) => observeVaultManifests(host, facts.cluster, vault, await facts.credentials(host), await room(host)),
    act: async (host) => { await ensureVaultManifests(host, facts.cluster, vault, await facts.credentials(host), await room(host)); },
  };
}

/** Every Secret that is declared holds what the vault holds now. External Secrets does it; this asks it to look, and waits. */
export function vaultSyncedStep(facts: Facts, vault: Vault): Step {
  const look = async (host: Host): Promise<VaultState> => observeSynced(host, vault, await open(host, facts, vault), facts.kubeconfig);
  return {
    id: 'vault-synced', part: 'GitOps', title: 'Secrets of the vault in the cluster', needs: ['reconciled'],
    async observe(host) {
      const { synced, waiting } = await look(host);
      return waiting.length === 0 ? { state: 'done', detail: synced.length === 0 ? 'none is kept there' : `${synced.join(', ')} as in the vault` } : { state: 'needed', why: waiting.join('; ') };
    },
    async act(host) {
      await refreshNow(host, vault, facts.kubeconfig);
      await waitFor({
        name: 'every Secret holds what the vault holds', deadlineMs: 3 * 60_000, everyMs: 1_000,
        hint: 'See `kubectl describe externalsecret` for the one named above, and `kubectl describe clustersecretstore`.',
        look: async () => {
          const { waiting } = await look(host);
          return waiting.length === 0 ? { met: true, value: true } : { met: false, seen: waiting.join('; ') };
        },
      }, host);
    },
  };
}

async function open(host: Host, facts: Facts, vault: Vault): Promise<VaultClient> {
  return openVault(host, vault, await facts.credentials(host));
}

function told({ seen, warnings }: VaultLook): string {
  return `${seen.length === 0 ? 'the vault lets its reader in; no secret is kept there' : seen.join('; ')}${warnings.map((text) => `; ! ${text}`).join('')}`;
}
