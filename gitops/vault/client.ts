import type { TokenCredential } from '@azure/identity';
import { readFile } from 'node:fs/promises';
import { isIP } from 'node:net';
import { FirstlightError, problem } from '../../lib/errors.ts';
import type { Host } from '../../lib/host.ts';
import { eitherSignal } from '../../lib/signals.ts';
import type { Vault } from '../../nodes/cluster.ts';
import type { Credentials } from '../../nodes/credentials.ts';
import { azCredential } from './az.ts';
import { deletedProblem, vaultProblem } from './errors.ts';

/** What a vault tells of a secret's newest version, without its value. Times in milliseconds since 1970. */
export type SecretFacts = { readonly name: string; readonly version: string; readonly created?: number; readonly expires?: number; readonly notBefore?: number };

/** A vault as it is spoken to: each call throws one of the `E_VAULT_…` errors. Values are registered with the mask. */
export type VaultClient = {
  /** The newest version's value. Throws `E_VAULT_MISSING`, `_DELETED`, `_DISABLED`, `_FORBIDDEN`, …; an expired secret is read all the same, as Azure allows. */
  read(name: string): Promise<SecretFacts & { readonly value: string }>;
  /** Makes a new version. Throws `E_VAULT_DELETED` where the name is taken by a deleted secret. */
  write(name: string, value: string): Promise<SecretFacts>;
  /** Asks for one name, to see that the vault lets its reader in. */
  knock(): Promise<void>;
};

/** Milliseconds for one call, with the client's own tries (three, as the vault's Retry-After says). */
const DEADLINE_MS = 60_000;

/** The log-in is asked for its endpoints in several ways, each of which would try three times for seconds. */
const LOGIN_RETRY = { maxRetries: 2, retryDelayInMs: 200 };

/** The log-ins that Azure itself knows (@azure/identity: AzureAuthorityHosts). */
const KNOWN_AUTHORITIES = ['https://login.microsoftonline.com', 'https://login.microsoftonline.us', 'https://login.chinacloudapi.cn'];

/** As whom a vault is opened: the cluster's service principal, by its secret, or whoever has logged in to Azure's own command line. */
export type Opener = Pick<Credentials, 'vaultClientSecret'> | 'az';

/**
 * Opens the inventory's vault with Azure's own client. Where the inventory names an authority (`ca`), its certificates are trusted and
 * no others. Nothing is sent yet. Throws `E_CREDENTIALS_MISSING`, `E_VAULT_CA`.
 */
export async function openVault(host: Host, vault: Vault, opener: Opener, deadlineMs = DEADLINE_MS): Promise<VaultClient> {
  const tls = vault.ca === undefined ? {} : { tlsOptions: { ca: await authorityOf(vault.ca) } };
  const credential = opener === 'az' ? azCredential(host, vault) : await principal(host, vault, opener, tls);
  // Loaded only where a vault is spoken to: with the log-in it is 45 MB.
  const { SecretClient } = await import('@azure/keyvault-secrets');
  // The client holds the resource that a vault asks a token for to the domain the vault is in; an address is in none.
  const client = new SecretClient(vault.url, credential, { ...tls, disableChallengeResourceVerification: isIP(new URL(vault.url).hostname) !== 0 });
  const call = async <T>(name: string | undefined, work: (options: { abortSignal: AbortSignal }) => Promise<T>): Promise<T> => {
    const abortSignal = eitherSignal(host.signal, AbortSignal.timeout(deadlineMs));
    // The log-in's own looks for its endpoints don't listen to the signal.
    const over = new Promise<never>((_, reject) => abortSignal.addEventListener('abort', () => reject(abortSignal.reason as Error), { once: true }));
    try {
      return await Promise.race([work({ abortSignal }), over]);
    } catch (error) {
      host.signal.throwIfAborted();
      throw error instanceof FirstlightError ? error : vaultProblem(vault, error, name);
    }
  };
  const purgeOf = (name: string): Promise<number | undefined> => call(name, (options) => client.getDeletedSecret(name, options)).then(
    (found) => found.scheduledPurgeDate?.getTime() ?? Number.NaN, () => undefined);
  return {
    async read(name) {
      const { value, properties } = await call(name, (options) => client.getSecret(name, options)).catch(async (error: unknown) => {
        const purge = error instanceof FirstlightError && error.code === 'E_VAULT_MISSING' ? await purgeOf(name) : undefined;
        throw purge === undefined ? error : deletedProblem(vault, name, Number.isNaN(purge) ? undefined : purge);
      });
      if (value === undefined) throw problem('E_VAULT', `${vault.url} gave secret ${name} without a value`, 'Look at it in the vault: it may be a key or a certificate’s.');
      host.mask.add(value);
      return { ...factsOf(properties), value };
    },
    async write(name, value) {
      host.mask.add(value);
      return factsOf((await call(name, (options) => client.setSecret(name, value, options))).properties);
    },
    async knock() {
      await call(undefined, async (options) => { await client.listPropertiesOfSecrets(options).next(); });
    },
  };
}

async function principal(host: Host, vault: Vault, { vaultClientSecret }: Exclude<Opener, 'az'>, tls: { readonly tlsOptions?: { readonly ca: string } }): Promise<TokenCredential> {
  if (!vaultClientSecret) throw problem('E_CREDENTIALS_MISSING', 'vaultClientSecret is missing in the credentials', 'Put the service principal’s secret into credentials.sops.yaml with `sops edit`.');
  host.mask.add(vaultClientSecret);
  const { ClientSecretCredential } = await import('@azure/identity');
  const known = KNOWN_AUTHORITIES.includes(vault.authority);
  return new ClientSecretCredential(vault.tenant, vault.clientId, vaultClientSecret, { ...tls, authorityHost: vault.authority, retryOptions: LOGIN_RETRY, disableInstanceDiscovery: !known });
}

type Properties = { readonly name: string; readonly version?: string; readonly createdOn?: Date; readonly expiresOn?: Date; readonly notBefore?: Date };

function factsOf({ name, version, createdOn, expiresOn, notBefore }: Properties): SecretFacts {
  return {
    name, version: version ?? '',
    ...(createdOn ? { created: createdOn.getTime() } : {}), ...(expiresOn ? { expires: expiresOn.getTime() } : {}), ...(notBefore ? { notBefore: notBefore.getTime() } : {}),
  };
}

async function authorityOf(path: string): Promise<string> {
  const text = await readFile(path, 'utf8').catch(() => '');
  if (text.includes('-----BEGIN CERTIFICATE-----')) return text;
  throw problem('E_VAULT_CA', `${path} is not a certificate in PEM`, 'Put the authority’s certificate there, or take vault.ca out of cluster.yaml.', { where: { file: path } });
}
