import type { Complaint } from './addresses.ts';
import { matches } from './formats.ts';

/** The vault's or the login's address: https, host, port if any, and nothing after it. A password in it is refused without being repeated. */
export function httpsOrigin(example: string): (text: string) => Complaint | undefined {
  return (text) => {
    const hint = `Write it like ${example}.`;
    if (/^\w+:\/\/[^/]*@/.test(text)) return { code: 'E_INVENTORY_SECRET_IN_FILE', message: 'the URL holds a user or a password', hint: 'Take it out and change it; secrets stand in credentials.sops.yaml only.' };
    return /^https:\/\/[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:[1-9]\d{0,4})?$/.test(text) ? undefined : { code: 'E_INVENTORY_VAULT_URL', message: `"${text}" is not an https address without a path`, hint };
  };
}

/** A Microsoft Entra tenant: its id or one of its domains. */
export const tenant = matches(/^([0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|[a-z0-9-]+(\.[a-z0-9-]+)+)$/, 'E_INVENTORY_TENANT', 'a tenant',
  'Write the tenant\'s id, 8-4-4-4-12 small hex digits, as `az account show` tells it, or its domain.');

/** The application (client) id of a service principal. */
export const clientId = matches(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/, 'E_INVENTORY_CLIENT_ID', 'an application (client) id',
  'Write 8-4-4-4-12 small hex digits, as `az ad sp list` tells them under appId; the client\'s secret is in credentials.sops.yaml.');

/** The name of a secret in a vault (Azure Key Vault REST API, Set Secret: `^[0-9a-zA-Z-]+$`, at most 127). */
export const vaultSecretName = matches(/^[0-9a-zA-Z-]{1,127}$/, 'E_INVENTORY_VAULT_NAME', 'the name of a secret in a vault', 'Use 1 to 127 letters, digits and hyphens: neither dots nor underscores.');

/** A key of a Kubernetes Secret. */
export const secretKey = matches(/^[A-Za-z0-9._-]{1,253}$/, 'E_INVENTORY_SECRET_KEY', 'a key of a Secret', 'Use letters, digits, dots, hyphens and underscores.');

/** Where a secret's manifest lies in the GitOps repository, without its ending. */
export function manifestPath(text: string): Complaint | undefined {
  const code = 'E_INVENTORY_SECRET_PATH';
  const hint = 'Write folder and name inside the repository without an ending, like apps/gandalf/podinfo-token.';
  const parts = text.split('/');
  if (text.startsWith('/') || parts.includes('..')) return { code, message: `"${text}" leaves the repository`, hint };
  if (parts.length < 2 || !parts.every((part) => /^[A-Za-z0-9._-]+$/.test(part) && part !== '.')) return { code, message: `"${text}" is not a folder and a name`, hint };
  if (/\.(ya?ml|json)$/.test(text)) return { code, message: `"${text}" has an ending`, hint };
  if (parts[0] === 'machines') return { code, message: `"${text}" is where the machines are declared; Flux must not read it`, hint };
  return /^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$/.test(parts.at(-1) ?? '') ? undefined : { code, message: `"${text}" does not end with the name of a Secret`, hint };
}
