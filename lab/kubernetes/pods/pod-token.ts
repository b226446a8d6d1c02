import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { writeWhole } from '../../../lib/files.ts';
import type { KubeClient, KubeObject } from '../client.ts';
import { pause } from '../secure-client.ts';
import type { Pod } from './pod-object.ts';

/** A pod's service account token: the newest text, and the 0600 file that always holds it. */
export type PodToken = { current(): string; readonly file: string };

/** What a kubelet asks for, and how long it waits before it asks for the next. */
const LIFE_SECONDS = 3_607;
const RENEW_MS = 40 * 60_000;
const RETRY_MS = 10_000;

/** Gets the pod a token of its service account, bound to it, and renews it until the signal fires. Throws KubeRefusal. */
export async function keepToken(client: KubeClient, pod: Pod, folder: string, signal: AbortSignal): Promise<PodToken> {
  const { name, namespace, uid } = pod.metadata;
  const path = `/api/v1/namespaces/${namespace}/serviceaccounts/${pod.spec.serviceAccountName ?? 'default'}/token`;
  const file = join(folder, 'token');
  const renew = async (): Promise<string> => {
    const boundObjectRef = { apiVersion: 'v1', kind: 'Pod', name, uid };
    const { status } = await client.create(path, { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec: { expirationSeconds: LIFE_SECONDS, boundObjectRef } }) as KubeObject & { status: { token: string } };
    await writeWhole(file, status.token, 0o600);
    return status.token;
  };
  await mkdir(folder, { recursive: true, mode: 0o700 });
  let token = await renew();
  const keep = async (): Promise<void> => {
    for (let wait = RENEW_MS; await pause(wait, signal);) {
      wait = await renew().then((text) => { token = text; return RENEW_MS; }, () => RETRY_MS);
    }
  };
  void keep();
  return { current: () => token, file };
}
