import { stringify } from 'yaml';
import { CLIENT_AUTH, issue } from '../pi/tls.ts';
import { createIfMissing, type KubeClient, type KubeObject } from './client.ts';
import { follow } from './follow.ts';
import type { ControlPlaneMaterial } from './types.ts';

/** What of a machine config lets pods use the Talos API (`machine.features.kubernetesTalosAPIAccess`). */
export type TalosAccess = NonNullable<ControlPlaneMaterial['talosAccess']>;

type ServiceAccount = KubeObject & { readonly spec?: { readonly roles?: readonly string[] }; readonly status?: { readonly failureReason?: string } };

const KIND = '/apis/talos.dev/v1alpha1';

/** The kind as Talos installs it (siderolabs/talos:internal/app/machined/pkg/controllers/kubeaccess/serviceaccount/crd_controller.go). */
const DEFINITION = {
  apiVersion: 'apiextensions.k8s.io/v1', kind: 'CustomResourceDefinition', metadata: { name: 'serviceaccounts.talos.dev' },
  spec: {
    group: 'talos.dev', scope: 'Namespaced', names: { plural: 'serviceaccounts', singular: 'serviceaccount', kind: 'ServiceAccount', shortNames: ['tsa'] },
    versions: [{
      name: 'v1alpha1', served: true, storage: true,
      schema: { openAPIV3Schema: { type: 'object', properties: {
        spec: { type: 'object', properties: { roles: { type: 'array', items: { type: 'string' } } } },
        status: { type: 'object', properties: { failureReason: { type: 'string' } } },
      } } },
    }],
  },
};

/**
 * Does what Talos does of its service accounts until the signal fires: brings the kind, and for each one of an allowed namespace
 * with allowed roles makes the Secret of the same name, with a talosconfig of exactly those roles; others are told why not.
 */
export async function keepTalosAccess(client: KubeClient, material: Pick<ControlPlaneMaterial, 'address' | 'clusterName'>, access: TalosAccess, signal: AbortSignal): Promise<void> {
  await createIfMissing(client, '/apis/apiextensions.k8s.io/v1/customresourcedefinitions', DEFINITION);
  await follow<ServiceAccount>(client, `${KIND}/serviceaccounts`, signal, async ({ changed }) => {
    for (const account of changed) {
      const { name, namespace = '', uid } = account.metadata;
      const roles = account.spec?.roles ?? [];
      const reason = !access.namespaces.includes(namespace) ? `namespace "${namespace}" is not allowed` : roles.some((role) => !access.roles.includes(role)) ? `roles ${roles.join(', ')} are not allowed` : undefined;
      if (reason !== undefined) {
        if (account.status?.failureReason !== reason) await client.patch(`${KIND}/namespaces/${namespace}/serviceaccounts/${name}`, { status: { failureReason: reason } });
        continue;
      }
      await createIfMissing(client, `/api/v1/namespaces/${namespace}/secrets`, {
        apiVersion: 'v1', kind: 'Secret',
        metadata: { name, namespace, ownerReferences: [{ apiVersion: 'talos.dev/v1alpha1', kind: 'ServiceAccount', name, uid, controller: true }] },
        stringData: { config: await talosconfig(material, access, roles) },
      });
    }
  });
}

async function talosconfig({ address, clusterName }: Pick<ControlPlaneMaterial, 'address' | 'clusterName'>, { osCa }: TalosAccess, roles: readonly string[]): Promise<string> {
  const pair = await issue(osCa, { organisations: roles, usages: [CLIENT_AUTH], hours: 24 });
  const base64 = (text: string): string => Buffer.from(text).toString('base64');
  return stringify({ context: clusterName, contexts: { [clusterName]: { endpoints: [address], ca: base64(osCa.crt), crt: base64(pair.crt), key: base64(pair.key) } } });
}
