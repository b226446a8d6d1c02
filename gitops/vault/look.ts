import { FirstlightError, ManyErrors, problem } from '../../lib/errors.ts';
import type { Host } from '../../lib/host.ts';
import type { StoredSecret, Vault } from '../../nodes/cluster.ts';
import type { SecretFacts, VaultClient } from './client.ts';
import { isOfWholeVault } from './errors.ts';

/** What was seen of the declared secrets: a sentence each, and what its owner should see to. No value. */
export type VaultLook = { readonly seen: readonly string[]; readonly warnings: readonly string[] };

const DAY_MS = 86_400_000;
/** Days before a secret's end from which on it is told. */
const SOON = 30;

/** The secrets that the inventory keeps in the vault. */
export function inVault(vault: Vault): readonly StoredSecret[] {
  return vault.secrets.filter((secret) => secret.store === 'vault');
}

/**
 * Reads every secret that the inventory keeps in the vault, as External Secrets will: each must be there, enabled, readable and not
 * expired. Gives their ages and ends. Throws one `E_VAULT_…` error where the vault as a whole can't be used, else ManyErrors
 * `E_VAULT_SECRETS` with every secret that can't (`E_VAULT_MISSING`, `_DELETED`, `_DISABLED`, `_FORBIDDEN`, `_EXPIRED`, `_NOT_YET`).
 */
export async function proveVault(host: Host, vault: Vault, client: VaultClient): Promise<VaultLook> {
  const faults: FirstlightError[] = [];
  const seen: string[] = [];
  const warnings: string[] = [];
  const now = host.clock.now();
  if (inVault(vault).length === 0) await client.knock();
  for (const { name } of inVault(vault)) {
    try {
      const { value: _, ...facts } = await client.read(name);
      const fault = timeFault(vault, facts, now);
      if (fault) faults.push(fault);
      seen.push(`${name}: ${ageOf(facts, now)}${endOf(facts)}`);
      if (!fault && facts.expires !== undefined && facts.expires - now <= SOON * DAY_MS) warnings.push(`${name} expires in ${days(facts.expires - now)}: set a new version with a later end`);
    } catch (error) {
      if (!(error instanceof FirstlightError) || isOfWholeVault(error) || !error.code.startsWith('E_VAULT')) throw error;
      faults.push(error);
    }
  }
  if (faults.length > 0) throw new ManyErrors('E_VAULT_SECRETS', `${faults.length} of ${inVault(vault).length} secrets in ${vault.url} can't be used`, 'Each is told with what to do.', faults);
  return { seen, warnings };
}

function timeFault(vault: Vault, { name, expires, notBefore }: SecretFacts, now: number): FirstlightError | undefined {
  if (expires !== undefined && expires <= now) return problem('E_VAULT_EXPIRED', `secret ${name} in ${vault.url} expired ${days(now - expires)} ago`, `Set a new version with a later end: \`az keyvault secret set --expires DATE --name ${name} --vault-name …\`.`);
  if (notBefore !== undefined && notBefore > now) return problem('E_VAULT_NOT_YET', `secret ${name} in ${vault.url} is not to be used for ${days(notBefore - now)} yet`, `Set an earlier activation date: \`az keyvault secret set-attributes --not-before DATE --name ${name} --vault-name …\`.`);
  return undefined;
}

function ageOf({ created }: SecretFacts, now: number): string {
  return created === undefined ? 'of unknown age' : `${days(now - created)} old`;
}

function endOf({ expires }: SecretFacts): string {
  return expires === undefined ? ', without an end' : `, ends ${new Date(expires).toISOString().slice(0, 10)}`;
}

function days(ms: number): string {
  const count = Math.max(0, Math.floor(ms / DAY_MS));
  return `${count} day${count === 1 ? '' : 's'}`;
}
