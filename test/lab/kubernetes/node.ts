import { join } from 'node:path';
import { startKubelet, type Kubelet, type KubeletOptions } from '../../../lab/kubernetes/kubelet.ts';
import type { ControlPlaneMaterial, KubeletMaterial } from '../../../lab/kubernetes/types.ts';
import { toolPrograms } from '../../support/host.ts';
import { kubeletOf } from './material.ts';

/** Where a test's node stands: a name, an address, and the folder in which its card and scratch are. */
export type TestNode = { readonly name: string; readonly address: string; readonly folder: string; readonly role?: KubeletMaterial['role'] };

/** Starts the kubelet of a node of that cluster: a worker unless told. */
export function startNode(material: ControlPlaneMaterial, node: TestNode, more: Partial<KubeletOptions> = {}): Kubelet {
  return startKubelet({
    material: kubeletOf(material, node.name, node.address, node.role ?? 'worker'), folder: join(node.folder, node.name, 'scratch'),
    stateFolder: join(node.folder, node.name, 'state'), programs: toolPrograms(), ...more,
  });
}
