import { FirstlightError } from '../../../lib/errors.ts';
import type { Host } from '../../../lib/host.ts';
import type { VaultClient } from '../../../gitops/vault/client.ts';
import { isOfWholeVault } from '../../../gitops/vault/errors.ts';
import { inVault } from '../../../gitops/vault/look.ts';
import type { Vault } from '../../../nodes/cluster.ts';
import type { VaultRecord } from '../types.ts';

/** The names and versions of the declared secrets in the vault; their values are read by the way and kept nowhere. Throws `E_VAULT_…` where the vault as a whole can't be used. */
export async function vaultRecord(host: Host, vault: Vault, client: VaultClient): Promise<VaultRecord> {
  const secrets: VaultRecord['secrets'][number][] = [];
  for (const { name } of inVault(vault)) {
    try {
      const { version, created } = await client.read(name);
      secrets.push({ name, version, ...(created === undefined ? {} : { created: new Date(created).toISOString() }) });
    } catch (error) {
      host.signal.throwIfAborted();
      if (!(error instanceof FirstlightError) || isOfWholeVault(error)) throw error;
      secrets.push({ name, why: error.message });
    }
  }
  return { url: vault.url, secrets };
}
