import { problem, type FirstlightError } from '../../lib/errors.ts';
import type { Vault } from '../../nodes/cluster.ts';

/** What Azure's client throws, as far as it is read here: never its request, which holds tokens and values. */
type Thrown = { readonly name?: string; readonly code?: unknown; readonly statusCode?: number; readonly message?: string; readonly details?: { readonly error?: { readonly innerError?: { readonly code?: string }; readonly innererror?: { readonly code?: string } } } };

const CERTIFICATE = /^(UNABLE_TO_|SELF_SIGNED_|DEPTH_ZERO_|CERT_|ERR_TLS_CERT)/;
const NETWORK = /^(E(NOTFOUND|AI_AGAIN|CONN\w+|TIMEDOUT|HOSTUNREACH|NETUNREACH|PIPE)|REQUEST_SEND_ERROR|PARSE_ERROR)$/;
const WHO = '`az role assignment create --role "Key Vault Secrets User"`';

/**
 * One of the `E_VAULT_…` errors for what Azure's client threw; `name` is the secret's, where one was asked for. The thrown thing is not
 * kept as the cause: it holds the request, and so a token and perhaps a value.
 */
export function vaultProblem(vault: Vault, error: unknown, name?: string): FirstlightError {
  const thrown = (typeof error === 'object' && error !== null ? error : {}) as Thrown;
  const text = thrown.message ?? '';
  const code = typeof thrown.code === 'string' ? thrown.code : '';
  const inner = thrown.details?.error?.innerError?.code ?? thrown.details?.error?.innererror?.code ?? '';
  const secret = name === undefined ? 'the vault' : `secret ${name}`;
  const aad = /AADSTS(\d+)/.exec(text)?.[1];
  if (aad !== undefined) return loginProblem(vault, Number(aad));
  if (CERTIFICATE.test(code)) return problem('E_VAULT_CERTIFICATE', `the certificate of ${vault.url} is not trusted (${code})`, 'Where its authority is one of your own, name it as vault.ca; else see who stands between here and the vault.');
  if (/not configured to acquire tokens for tenant/.test(text)) return problem('E_VAULT_AUTH', `${vault.url} belongs to another tenant than ${vault.tenant}`, 'Put the vault’s own tenant into vault.tenant (`az keyvault show --name … --query properties.tenantId`), and a service principal of it.');
  if (/challenge/i.test(text)) return problem('E_VAULT_CHALLENGE', `${vault.url} asks to log in for another service than itself`, 'See that vault.url is the vault’s own address (https://NAME.vault.azure.net); nothing was sent to it.');
  const late = thrown.name === 'AbortError' || thrown.name === 'TimeoutError';
  if (late || NETWORK.test(code)) return unreachable(vault, late ? 'no answer in time' : code);
  if (/endpoints_resolution_error|network_error|openid_config_error/.test(text)) return problem('E_VAULT_UNREACHABLE', `the log-in at ${vault.authority} can't be reached`, 'See the network here, and that vault.authority is right.');
  switch (thrown.statusCode) {
    case 401: return problem('E_VAULT_AUTH', `${vault.url} refused the service principal ${vault.clientId}`, 'See that vault.tenant is the tenant of the vault.');
    case 403: return forbidden(vault, secret, name, inner);
    case 404: return problem('E_VAULT_MISSING', `${secret} is not in ${vault.url}`, `Put it there: \`az keyvault secret set --vault-name … --name ${name ?? 'NAME'} --file /dev/stdin\`, or \`firstlight secrets move\` from SOPS. Where it was deleted, \`az keyvault secret list-deleted\` shows it.`);
    case 409: return inner === 'ObjectIsDeletedButRecoverable' ? deletedProblem(vault, name ?? '', undefined)
      : problem('E_VAULT_BUSY', `${secret} is just being deleted or recovered in ${vault.url}`, 'Wait a minute, then run the same command again.');
    case 429: return problem('E_VAULT_THROTTLED', `${vault.url} says that too many requests come in`, 'See who else reads it so often; wait a minute, then run the same command again.');
    case undefined: return problem('E_VAULT', `asking ${vault.url} for ${secret} failed: ${thrown.name ?? 'unknown error'}${code === '' ? '' : ` (${code})`}`, 'See that url, tenant and clientId of the section vault are right.');
    default: return problem('E_VAULT', `${vault.url} answered ${thrown.statusCode} for ${secret}`, thrown.statusCode >= 500 ? 'That is a fault of the vault: see Azure’s status, then run the same command again.' : 'See that url, tenant and clientId of the section vault are right.');
  }
}

/** The error for a secret that lies in the vault's state of soft deletion, until `purge` (milliseconds since 1970) where that is known. */
export function deletedProblem(vault: Vault, name: string, purge: number | undefined): FirstlightError {
  const until = purge === undefined ? '' : ` until ${new Date(purge).toISOString().slice(0, 10)}`;
  return problem('E_VAULT_DELETED', `secret ${name} was deleted from ${vault.url} and can be recovered${until}`, `Bring it back with \`az keyvault secret recover --name ${name} --vault-name …\`.`);
}

/** True where the vault as a whole can't be used: every other secret would fail alike. */
export function isOfWholeVault(error: FirstlightError): boolean {
  return ['E_VAULT_AUTH', 'E_VAULT_UNREACHABLE', 'E_VAULT_CERTIFICATE', 'E_VAULT_CHALLENGE', 'E_VAULT_THROTTLED', 'E_VAULT_FIREWALL'].includes(error.code);
}

function unreachable(vault: Vault, why: string): FirstlightError {
  return problem('E_VAULT_UNREACHABLE', `the vault at ${vault.url}, or its log-in at ${vault.authority}, can't be reached (${why})`, 'See the network here, and that vault.url is right.');
}

function forbidden(vault: Vault, secret: string, name: string | undefined, inner: string): FirstlightError {
  if (inner === 'SecretDisabled') return problem('E_VAULT_DISABLED', `${secret} is disabled in ${vault.url}`, `Enable it (\`az keyvault secret set-attributes --enabled true --name ${name ?? 'NAME'} --vault-name …\`), or set a new version.`);
  if (/^ForbiddenBy(Firewall|Connection)$/.test(inner)) return problem('E_VAULT_FIREWALL', `the firewall of ${vault.url} lets nobody in from here`, 'Allow your address under the vault’s Networking; the cluster’s address, too, as External Secrets reads from there.');
  return problem('E_VAULT_FORBIDDEN', `who was let in may not do this with ${secret} in ${vault.url}`, `To let the service principal ${vault.clientId} read, give it the role: ${WHO}; to move secrets into the vault say \`--az\` and be a "Key Vault Secrets Officer" yourself. A new role takes some minutes.`);
}

/** Microsoft Entra's error numbers (learn.microsoft.com/entra/identity-platform/reference-error-codes). */
function loginProblem(vault: Vault, number: number): FirstlightError {
  const fresh = `Make a new one (\`az ad app credential reset --id ${vault.clientId}\`) and put its value, not its id, into credentials.sops.yaml as vaultClientSecret.`;
  if (number === 7000215) return problem('E_VAULT_AUTH', `the secret of the service principal ${vault.clientId} is not the right one (AADSTS${number})`, fresh);
  if (number === 7000222) return problem('E_VAULT_AUTH', `the secret of the service principal ${vault.clientId} has expired (AADSTS${number})`, fresh);
  if (number === 700016) return problem('E_VAULT_AUTH', `tenant ${vault.tenant} has no application ${vault.clientId} (AADSTS${number})`, 'See vault.tenant and vault.clientId: `az ad sp list --display-name NAME` tells both.');
  if (number === 90002 || number === 900023) return problem('E_VAULT_AUTH', `there is no tenant ${vault.tenant} (AADSTS${number})`, 'See vault.tenant: `az account show` tells it.');
  return problem('E_VAULT_AUTH', `the log-in of the service principal ${vault.clientId} failed (AADSTS${number})`, `See https://login.microsoftonline.com/error?code=${number}.`);
}
