import { join, posix } from 'node:path';
import { ManyErrors, problem, type FirstlightError } from '../../lib/errors.ts';
import { readIfThere } from '../../lib/files.ts';
import type { Host } from '../../lib/host.ts';
import type { Cluster, StoredSecret, Vault } from '../../nodes/cluster.ts';
import type { Credentials } from '../../nodes/credentials.ts';
import { listedFor, ownSecretsFolder } from '../csi-folder.ts';
import { ensureDelivery, observeDelivery, type Delivery } from '../delivery.ts';
import { done, needed, type Observation } from '../observation.ts';
import { gitopsOf, type Repository } from '../repository.ts';
import { secretContent } from '../secrets/manifest.ts';
import { bySecret, clusterSecretStore, externalPath, externalSecret, keysIn, principalSecret, sopsPath, STORE, storeKustomization, vaultFolder } from './manifests.ts';

/**
 * Looks whether the repository holds what External Secrets needs: the encrypted Secret with the service principal among the
 * cluster's own (`infrastructure/secrets/<cluster>`), the ClusterSecretStore in `infrastructure/vault/<cluster>` with its Kustomization, and
 * beside each app an ExternalSecret with the keys that the inventory keeps in the vault. Throws `E_VAULT_STORES` where the repository keeps a secret elsewhere than the inventory says, `E_GIT_LAYOUT`.
 */
export async function observeVaultManifests(host: Host, cluster: Cluster, vault: Vault, credentials: Credentials, repository: Repository): Promise<Observation> {
  await refuseOtherStores(vault, repository.folder);
  const looks = await Promise.all((await deliveries(host, cluster, vault, credentials, repository.folder)).map((delivery) => observeDelivery(host, cluster, credentials, repository, delivery)));
  const missing = looks.flatMap((look) => (look.state === 'needed' ? [look.why] : []));
  return missing.length > 0 ? needed(missing.join('; ')) : done([`ClusterSecretStore ${STORE.name}`, ...bySecret(vault).map(([first]) => externalPath(first))].join(', ') + ' up to date');
}

/** Commits and pushes what of them is missing or differs, folder by folder. Throws what `observeVaultManifests` and `ensureDelivery` throw. */
export async function ensureVaultManifests(host: Host, cluster: Cluster, vault: Vault, credentials: Credentials, repository: Repository): Promise<void> {
  await refuseOtherStores(vault, repository.folder);
  let at = repository;
  for (const delivery of await deliveries(host, cluster, vault, credentials, repository.folder)) ({ repository: at } = await ensureDelivery(host, cluster, credentials, at, delivery));
}

async function deliveries(host: Host, cluster: Cluster, vault: Vault, credentials: Credentials, root: string): Promise<Delivery[]> {
  if (credentials.vaultClientSecret) host.mask.add(credentials.vaultClientSecret);
  const own = ownSecretsFolder(cluster);
  return [
    {
      folder: own, secrets: { [STORE.credentials]: principalSecret(vault, credentials) }, manifests: {}, lists: await listedFor(root, own, STORE.controller),
      message: `Let External Secrets of ${cluster.name} into the vault`,
    },
    { folder: vaultFolder(cluster), secrets: {}, manifests: { [STORE.file]: clusterSecretStore(vault) }, unlisted: 'make', message: `Tell External Secrets of ${cluster.name} of the vault` },
    { folder: gitopsOf(cluster).path, secrets: {}, manifests: { [STORE.kustomization]: storeKustomization(cluster) }, unlisted: 'allow', message: `Let Flux apply the vault's store of ${cluster.name}` },
    ...bySecret(vault).map(([first, secrets]): Delivery => ({
      folder: posix.dirname(first.path), secrets: {}, manifests: { [posix.basename(externalPath(first))]: externalSecret(first, secrets) },
      message: `Take ${secrets.map((secret) => `${secret.secret}.${secret.key}`).join(', ')} from the vault`,
    })),
  ];
}

/** Two stores that fill one key would undo each other's work; a secret in neither would be missing. */
async function refuseOtherStores(vault: Vault, root: string): Promise<void> {
  const faults: FirstlightError[] = [];
  for (const secret of vault.secrets) {
    const sealed = await isSealed(root, secret);
    const external = keysIn(await readIfThere(join(root, externalPath(secret)))).some(({ key }) => key === secret.key);
    const move = `firstlight secrets move ${sopsPath(secret)} ${secret.key} --to ${secret.store}`;
    const fault = (message: string): void => {
      faults.push(problem('E_VAULT_STORE', message, `Bring it where the inventory says and push: \`${move}\`; or mend \`store\` in cluster.yaml.`, { where: { file: sealed ? sopsPath(secret) : externalPath(secret) } }));
    };
    if (secret.store === 'vault' && sealed) fault(`${secret.secret}.${secret.key} is kept in the vault by the inventory, and lies under SOPS in the repository`);
    if (secret.store === 'sops' && external) fault(`${secret.secret}.${secret.key} is kept under SOPS by the inventory, and is taken from the vault in the repository`);
    if (secret.store === 'sops' && !external && !sealed) faults.push(problem('E_VAULT_STORE', `${secret.secret}.${secret.key} is kept under SOPS by the inventory, and ${sopsPath(secret)} does not hold it`, `Set it: \`firstlight secrets set ${sopsPath(secret)} ${secret.key} --namespace ${secret.namespace}\`, then push.`, { where: { file: sopsPath(secret) } }));
  }
  if (faults.length > 0) throw new ManyErrors('E_VAULT_STORES', `${faults.length === 1 ? 'one secret is' : `${faults.length} secrets are`} kept elsewhere than the inventory says`, 'Each is told with what to do.', faults);
}

async function isSealed(root: string, secret: StoredSecret): Promise<boolean> {
  const text = await readIfThere(join(root, sopsPath(secret)));
  if (text === undefined) return false;
  const content = secretContent(sopsPath(secret), text);
  return content.kind === 'encrypted' && content.keys.some(({ path }) => path === `stringData.${secret.key}` || path === `data.${secret.key}`);
}
