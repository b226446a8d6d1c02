import type { KubeClient } from '../client.ts';
import { SourceFailure, type SourceObject } from './status.ts';

/**
 * Checks that the Secrets which a source names are there. What is in them nobody asks for: nothing is fetched. Throws
 * SourceFailure in the words of fluxcd/source-controller:internal/helm/getter/client_opts.go.
 */
export async function requireSecrets(client: KubeClient, { metadata, spec }: SourceObject): Promise<void> {
  for (const [key, what] of [['certSecretRef', 'TLS authentication'], ['secretRef', 'authentication']] as const) {
    const name = (spec[key] as { name?: string } | undefined)?.name;
    if (name === undefined) continue;
    await client.get(`/api/v1/namespaces/${metadata.namespace}/secrets/${name}`).catch((error: Error) => {
      throw new SourceFailure('AuthenticationFailed', `failed to get ${what} secret '${metadata.namespace}/${name}': ${error.message}`);
    });
  }
}
