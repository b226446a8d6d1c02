import type { Cluster, ClusterNode } from '../../nodes/cluster.ts';

/** A cluster like Gandalf for the tests of talos/, in a folder of the test's. */
export function exampleCluster(folder: string, change: Partial<Cluster> = {}): Cluster {
  return {
    folder, repository: folder, name: 'gandalf', environment: 'home',
    talos: { version: 'v1.11.0', factory: 'https://factory.talos.dev', schematic: { overlay: { image: 'siderolabs/sbc-raspberrypi', name: 'rpi_generic' }, extensions: [], kernelArgs: [] } },
    kubernetes: { version: '1.34.1' },
    network: { subnet: '192.168.77.0/24', gateway: '192.168.77.1', dns: ['192.168.77.1', '9.9.9.9'], ntp: ['192.168.77.1'], endpoint: 'https://192.168.77.10:6443', maintenance: 'dhcp' },
    nodes: [exampleNode('cp-1', 'control plane', 11), exampleNode('worker-1', 'worker', 21, { 'storage/iscsi': 'yes', rack: 'one' }), exampleNode('worker-2', 'worker', 22)],
    backup: { places: [{ kind: 'folder', name: 'backups', path: `${folder}/backups`, make: true }], keep: { last: 7, daily: 7, weekly: 4, monthly: 6 } },
    secrets: { recipients: [] },
    ...change,
  };
}

/** A node at 192.168.77.`last`, with a MAC that ends alike. */
export function exampleNode(name: string, role: ClusterNode['role'], last: number, labels: Record<string, string> = {}): ClusterNode {
  return { name, role, mac: `dc:a6:32:00:00:${last.toString(16).padStart(2, '0')}`, address: `192.168.77.${last}`, proof: 'stamp', labels };
}
