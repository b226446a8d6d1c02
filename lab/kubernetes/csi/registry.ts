import { createIfMissing, type KubeClient } from '../client.ts';
import type { NodeDriver, NodeDrivers } from '../volumes/drivers.ts';

/** The CSI drivers of one node. */
export type DriverRegistry = {
  readonly drivers: NodeDrivers;
  /** As node-driver-registrar over the kubelet's plugin socket: known to the kubelet, and told in the node's CSINode. */
  register(name: string, driver: NodeDriver): Promise<void>;
  unregister(name: string): Promise<void>;
};

/** An empty registry. What the API server refuses is thrown as KubeRefusal. */
export function createDriverRegistry(client: KubeClient, nodeName: string): DriverRegistry {
  const drivers = new Map<string, NodeDriver>();
  const nodes = '/apis/storage.k8s.io/v1/csinodes';
  const tell = async (): Promise<void> => {
    const { metadata } = await client.get(`/api/v1/nodes/${nodeName}`);
    const ownerReferences = [{ apiVersion: 'v1', kind: 'Node', name: nodeName, uid: metadata.uid }];
    await createIfMissing(client, nodes, { apiVersion: 'storage.k8s.io/v1', kind: 'CSINode', metadata: { name: nodeName, ownerReferences }, spec: { drivers: [] } });
    await client.patch(`${nodes}/${nodeName}`, { spec: { drivers: [...drivers.keys()].map((name) => ({ name, nodeID: nodeName, topologyKeys: null })) } });
  };
  return {
    drivers,
    async register(name, driver) {
      drivers.set(name, driver);
      await tell();
    },
    async unregister(name) {
      drivers.delete(name);
      await tell();
    },
  };
}
