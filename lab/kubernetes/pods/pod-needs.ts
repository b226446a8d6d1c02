import { KubeRefusal, type KubeClient } from '../client.ts';
import type { Pod, Reference } from './pod-object.ts';

/** What a pod still waits for: the reason that its containers show, and the sentence (an event too, where `event` names one). */
export type Missing = { readonly reason: string; readonly message: string; readonly event?: string };

type Kind = 'secret' | 'configmap';
type Need = { readonly kind: Kind; readonly name: string; readonly volume?: string };

/**
 * The first Secret or ConfigMap that the pod names and that is not there, as a kubelet finds it: for a volume the containers stay
 * in ContainerCreating, for the environment in CreateContainerConfigError. Undefined when all are there. Throws the connection's error.
 */
export async function missingNeed(client: KubeClient, pod: Pod): Promise<Missing | undefined> {
  const { namespace } = pod.metadata;
  for (const { kind, name, volume } of needs(pod)) {
    try {
      await client.get(`/api/v1/namespaces/${namespace}/${kind}s/${name}`);
    } catch (error) {
      if (!(error instanceof KubeRefusal)) throw error;
      // The node authorizer hears of a new pod a little later than its kubelet does.
      if (error.status === 403) return { reason: 'ContainerCreating', message: '' };
      if (error.status !== 404) throw error;
      if (volume === undefined) return { reason: 'CreateContainerConfigError', message: error.message, event: 'Failed' };
      return { reason: 'ContainerCreating', message: `MountVolume.SetUp failed for volume "${volume}" : ${error.message}`, event: 'FailedMount' };
    }
  }
  return undefined;
}

function needs(pod: Pod): Need[] {
  const of = (kind: Kind, reference: Reference | undefined, volume?: string): Need[] =>
    (reference?.name && !reference.optional ? [{ kind, name: reference.name, ...(volume === undefined ? {} : { volume }) }] : []);
  const volumes = (pod.spec.volumes ?? []).flatMap(({ name, secret, configMap, projected }) => [
    ...of('secret', secret && { ...secret, name: secret.secretName ?? '' }, name), ...of('configmap', configMap, name),
    ...(projected?.sources ?? []).flatMap((source) => [...of('secret', source.secret, name), ...of('configmap', source.configMap, name)]),
  ]);
  const environment = [...pod.spec.initContainers ?? [], ...pod.spec.containers].flatMap(({ envFrom, env }) => [
    ...(envFrom ?? []).flatMap(({ secretRef, configMapRef }) => [...of('secret', secretRef), ...of('configmap', configMapRef)]),
    ...(env ?? []).flatMap(({ valueFrom }) => [...of('secret', valueFrom?.secretKeyRef), ...of('configmap', valueFrom?.configMapKeyRef)]),
  ]);
  const all = [...volumes, ...environment];
  return all.filter((need, i) => all.findIndex((other) => other.kind === need.kind && other.name === need.name) === i);
}
