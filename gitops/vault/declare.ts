import { join, relative } from 'node:path';
import { isMap, isScalar, isSeq, parseDocument, type YAMLMap } from 'yaml';
import { problem } from '../../lib/errors.ts';
import { readIfThere, writeWhole } from '../../lib/files.ts';
import type { Cluster, StoredSecret } from '../../nodes/cluster.ts';
import { parseCluster } from '../../nodes/load.ts';

/**
 * Says in the cluster's cluster.yaml which store a secret belongs in: changes the one word of its entry, all else to the letter, or
 * adds an entry. Gives the file's path from `root`. Throws `E_INVENTORY` where the file would be wrong then, `E_VAULT_NONE`.
 */
export async function declareStore(root: string, cluster: Cluster, secret: StoredSecret): Promise<string> {
  const file = join(cluster.folder, 'cluster.yaml');
  const text = await readIfThere(file) ?? '';
  const after = withStore(text, secret, file);
  if (after !== text) {
    parseCluster(after, file, cluster.folder, cluster.repository);
    await writeWhole(file, after);
  }
  return relative(root, file);
}

function withStore(text: string, secret: StoredSecret, file: string): string {
  const document = parseDocument(text);
  const list: unknown = document.getIn(['vault', 'secrets'], true);
  if (!isMap(document.get('vault', true))) throw problem('E_VAULT_NONE', `${file} has no section vault`, 'Add it: url, tenant, clientId and secrets.', { where: { file } });
  const entry = isSeq(list) ? list.items.find((item): item is YAMLMap => isMap(item) && item.get('path') === secret.path && item.get('key') === secret.key) : undefined;
  const store: unknown = entry?.get('store', true);
  if (isScalar(store) && store.range) {
    if (store.value === secret.store) return text;
    return `${text.slice(0, store.range[0])}${secret.store}${text.slice(store.range[1])}`;
  }
  const { name, path, namespace, key } = secret;
  const added = document.createNode({ name, store: secret.store, path, namespace, ...(path.endsWith(`/${secret.secret}`) ? {} : { secret: secret.secret }), key });
  added.flow = true;
  if (isSeq(list)) list.flow = false;
  document.addIn(['vault', 'secrets'], added);
  return document.toString({ lineWidth: 0 });
}
