import { createHash } from 'node:crypto';
import { chartsOf } from '../../charts/shelf.ts';
import type { SourceKind } from './kinds.ts';
import { requireSecrets } from './secrets.ts';
import { SourceFailure, storedStatus, type SourceObject } from './status.ts';
import { artifactPath } from './storage.ts';

/** A HelmRepository (fluxcd/source-controller:api/v1) as far as the stand-in reads it. */
export type HelmRepository = SourceObject & { readonly spec: { readonly url: string; readonly type?: 'default' | 'oci' } };

/**
 * HelmRepositories: nothing is fetched; the index lists the charts of the lab's shelf that are published there. One of type `oci`
 * is static, and left alone, as by helmrepository_controller.go.
 */
export const helmRepositories: SourceKind<HelmRepository> = {
  kind: 'HelmRepository',
  plural: 'helmrepositories',
  reconcile: async ({ client, storage }, object) => {
    const { url, type } = object.spec;
    if (type === 'oci') return undefined;
    if (url.startsWith('oci://')) {
      throw new SourceFailure('URLInvalid', "invalid Helm repository URL: 'oci' URL scheme cannot be used with 'default' HelmRepository type", { stalled: true });
    }
    await requireSecrets(client, object);
    const index = JSON.stringify({ apiVersion: 'v1', entries: Object.fromEntries((await chartsOf(url)).map(entryOf)), generated: '2026-01-01T00:00:00Z' });
    const hash = createHash('sha256').update(index).digest('hex');
    const path = artifactPath('helmrepository', object, `index-${hash}.yaml`);
    const held = storage.holds(object, path, `sha256:${hash}`);
    const artifact = held ? undefined : await storage.store(path, `sha256:${hash}`, Buffer.from(index));
    return storedStatus(object, 'Succeeded', `stored artifact: revision 'sha256:${hash}'`, artifact);
  },
};

function entryOf({ name, versions }: Awaited<ReturnType<typeof chartsOf>>[number]): readonly [string, object[]] {
  return [name, Object.entries(versions).map(([version, appVersion]) => ({ apiVersion: 'v2', name, version, appVersion, urls: [`${name}-${version}.tgz`] }))];
}
