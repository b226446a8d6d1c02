import * as z from 'zod';
import { branchName, gitApi, gitopsPath, gitUrl, PUBLISHED_HOST_KEYS } from './formats-git.ts';
import { clientId, httpsOrigin, manifestPath, secretKey, tenant, vaultSecretName } from './formats-vault.ts';
import * as format from './formats.ts';
import { text } from './schema-parts.ts';

/** The section `gitops`. */
export const gitops = z.strictObject({
  url: text('The repository that Flux reads.', gitUrl, ['ssh://git@192.168.77.6:22/homelab.git']),
  branch: text('Its branch; main unless told.', branchName).optional(),
  path: text('The cluster\'s folder in it; clusters/<name> unless told.', gitopsPath).optional(),
  hostKey: text(`The git host's public key: type and key as in known_hosts. Published for github.com at ${PUBLISHED_HOST_KEYS['github.com']}, for gitlab.com at ${PUBLISHED_HOST_KEYS['gitlab.com']}.`, format.hostKeyLine),
  host: z.strictObject({
    kind: z.enum(['github', 'gitlab', 'gitea']).meta({ description: 'Whose API it has; gitea for Forgejo too.' }),
    api: text('The API\'s address; unless told https://, the host of url, and /api/v3 for github, /api/v4 for gitlab, /api/v1 for gitea.', gitApi, ['https://git.example.com/api/v1']).optional(),
  }).meta({ description: 'The git host\'s REST API, by which `firstlight git-key --install` gives the deploy key access; known for github.com and gitlab.com.' }).optional(),
});

const storedSecret = z.strictObject({
  name: text('Its name in the vault.', vaultSecretName, ['gandalf-podinfo-token']),
  store: z.enum(['vault', 'sops']).meta({ description: 'Where its value is kept: in the vault, or in the repository under SOPS. `firstlight secrets move` brings it from one to the other.' }),
  path: text('Its manifest in the GitOps repository, without the ending: .sops.yaml under SOPS, .external.yaml for the vault.', manifestPath, ['apps/gandalf/podinfo-token']),
  namespace: text('The namespace of the Kubernetes Secret that it becomes.', format.dnsLabel),
  secret: text('The name of that Secret; the last part of path unless told.', format.matches(/^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/, 'E_INVENTORY_NAME', 'the name of a Secret', 'Use small letters, digits, hyphens and dots.')).optional(),
  key: text('Its key in that Secret.', secretKey, ['token']),
});

/** The section `vault`. */
export const vault = z.strictObject({
  url: text('The vault\'s address.', httpsOrigin('https://gandalf.vault.azure.net'), ['https://gandalf.vault.azure.net']),
  tenant: text('The Microsoft Entra tenant of the service principal that reads it.', tenant),
  clientId: text('That service principal\'s application (client) id; its secret is vaultClientSecret in credentials.sops.yaml.', clientId),
  authority: text('Where to log in; https://login.microsoftonline.com unless told.', httpsOrigin('https://login.microsoftonline.us')).optional(),
  ca: text('A PEM file with the authority that signed the certificates of vault and log-in, where it is one of your own; its path as seen from the cluster\'s folder.', format.matches(/^[^\s~].*\.(pem|crt)$/, 'E_INVENTORY_CA', 'a path to a PEM file', 'Name the authority\'s certificate, as ./vault-ca.pem.')).optional(),
  secrets: z.array(storedSecret).meta({ description: 'The secrets that may be in the vault, each with the store that it belongs in.' }),
});
