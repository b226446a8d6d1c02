import { randomBytes } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseAllDocuments } from 'yaml';
import type { Mask } from '../../lib/masking.ts';
import { writeWhole } from '../../lib/files.ts';
import type { Vault } from '../../nodes/cluster.ts';
import { startVault, type LabVault } from '../vault/server.ts';
import type { AddressPlan } from './addresses.ts';

/** Port of the lab's vault and log-in. */
const PORT = 8443;

/** The file in a rehearsed cluster's folder with the authority of the lab's vault. */
export const VAULT_CA = 'vault-ca.pem';

/** Starts the vault that stands for the inventory's: the same tenant and service principal, which may only read; nothing in it yet. */
export async function startWorldVault(vault: Vault, plan: AddressPlan, clientSecret: string): Promise<LabVault> {
  return startVault({ address: plan.free(), port: PORT, principals: [{ tenant: vault.tenant, clientId: vault.clientId, clientSecret, may: 'read' }] });
}

/**
 * Gives every secret that the inventory keeps in the vault, and every other that an ExternalSecret of the copied repository names, a
 * value of the rehearsal's own (the real ones stay where they are), and lays the authority's certificate beside cluster.yaml.
 */
export async function fillVault(lab: LabVault, vault: Vault, worktree: string, clusterFolder: string, mask: Mask): Promise<void> {
  const names = new Set(vault.secrets.filter((secret) => secret.store === 'vault').map((secret) => secret.name));
  for (const name of await readdir(worktree, { recursive: true })) {
    if (/\.ya?ml$/.test(name)) for (const asked of namesIn(await readFile(join(worktree, name), 'utf8'))) names.add(asked);
  }
  for (const name of names) {
    const value = randomBytes(18).toString('base64url');
    mask.add(value);
    lab.store.set(name, { value });
  }
  await writeWhole(join(clusterFolder, VAULT_CA), lab.ca);
}

function namesIn(text: string): string[] {
  if (!/^kind:\s*ExternalSecret\b/m.test(text)) return [];
  return parseAllDocuments(text).flatMap((document) => {
    const data = (document.toJS() as { spec?: { data?: unknown } } | null)?.spec?.data;
    return Array.isArray(data) ? data.flatMap((each: { remoteRef?: { key?: unknown } }) => (typeof each?.remoteRef?.key === 'string' && /^[0-9a-zA-Z-]{1,127}$/.test(each.remoteRef.key) ? [each.remoteRef.key] : [])) : [];
  });
}
