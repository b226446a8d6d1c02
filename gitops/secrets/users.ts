import { lstat, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseAllDocuments } from 'yaml';
import type { Host } from '../../lib/host.ts';
import type { Homelab } from './homelab.ts';
import { workTreePaths } from './own-git.ts';

/** Something in the repository that names a Secret. */
export type SecretUser = { readonly kind: string; readonly name: string; readonly path: string };

/** Keys whose value, or whose `name`, is a Secret's name (Kubernetes core/v1, Flux and External Secrets). */
const NAMING = new Set(['secretName', 'secretRef', 'secretKeyRef', 'imagePullSecrets', 'existingSecret', 'nodeStageSecretRef', 'authSecretRef', 'valuesFrom', 'tls']);

/** Which objects of the repository use a Secret by name, by the manifests as they are written (a chart's own templates are not seen). */
export async function secretUsers(host: Host, homelab: Homelab, secret: string): Promise<SecretUser[]> {
  const users: SecretUser[] = [];
  for (const path of await workTreePaths(host, homelab.root)) {
    const whole = join(homelab.root, path);
    if (!/\.ya?ml$/.test(path) || !(await lstat(whole).catch(() => undefined))?.isFile()) continue;
    const text = await readFile(whole, 'utf8');
    if (!text.includes(secret)) continue;
    for (const document of parseAllDocuments(text)) {
      const kind: unknown = document.get('kind');
      const name: unknown = document.getIn(['metadata', 'name']);
      if (typeof kind !== 'string' || kind === 'Secret' || typeof name !== 'string') continue;
      if (document.errors.length === 0 && names(document.toJS(), secret)) users.push({ kind, name, path });
    }
  }
  return users;
}

/** Whether the secret's name stands anywhere below one of the naming keys. */
function names(value: unknown, secret: string, below = false): boolean {
  if (Array.isArray(value)) return value.some((item) => names(item, secret, below));
  if (typeof value === 'object' && value !== null) return Object.entries(value).some(([key, inner]) => names(inner, secret, below || NAMING.has(key)));
  return below && value === secret;
}
