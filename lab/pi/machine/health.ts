import { connect } from 'node:net';
import { kubeClient, type KubeClient, type KubeObject } from '../../kubernetes/client.ts';
import { adminPair } from '../../kubernetes/kubeconfig.ts';
import { setTimeout as sleep } from 'node:timers/promises';
import { controlPlaneMaterial } from '../config/machine-config.ts';
import type { Handlers } from '../api/handler.ts';
import { unmetConditions, type Node } from '../node.ts';
import { pack, unpack } from '../wire/messages.ts';
import { status } from '../wire/status.ts';

type Check = { readonly name: string; look(): Promise<string> };
type KubeNode = KubeObject & { readonly spec?: { readonly unschedulable?: boolean }; readonly status?: { readonly conditions?: readonly { readonly type: string; readonly status: string }[]; readonly addresses?: readonly { readonly type: string; readonly address: string }[] } };

const DEFAULT_WAIT_S = 300n;

function say(message: string): Uint8Array {
  return pack('HealthCheckProgress', { message });
}

function reachable(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, host, () => done(true)).on('error', () => done(false)).setTimeout(2_000, () => done(false));
    const done = (yes: boolean): void => {
      socket.destroy();
      resolve(yes);
    };
  });
}

function isReady(node: KubeNode): boolean {
  return node.status?.conditions?.some((one) => one.type === 'Ready' && one.status === 'True') ?? false;
}

function checks(node: Node, client: KubeClient, signal: AbortSignal): readonly Check[] {
  const nodes = async (): Promise<readonly KubeNode[]> => (await client.get<{ items: KubeNode[] }>('/api/v1/nodes')).items;
  const fine = async (): Promise<string> => 'OK';
  const service = (id: string) => async (): Promise<string> => {
    const found = node.services.get(id);
    if (found?.state !== 'Running') return `1 error occurred:\n\t* ${node.address}: service "${id}" not in expected state "Running": current state [${found?.state ?? ''}] ${found?.events.at(-1)?.text ?? ''}\n\n`;
    return found.healthy === true ? 'OK' : `1 error occurred:\n\t* ${node.address}: service is not healthy: ${id}\n\n`;
  };
  return [
    { name: 'etcd to be healthy', look: service('etcd') },
    {
      name: 'etcd members to be consistent across nodes',
      look: async () => ((await (await node.etcd!.running(signal)).members()).length > 0 ? 'OK' : 'no members'),
    },
    {
      name: 'etcd members to be control plane nodes',
      look: async () => {
        const members = await (await node.etcd!.running(signal)).members();
        const known = [node.address, ...node.members().filter((one) => one.machineType === 'controlplane').flatMap((one) => one.addresses)];
        const strange = members.flatMap((one) => one.peerUrls).map((url) => new URL(url).hostname).filter((host) => !known.includes(host));
        return strange.length === 0 ? 'OK' : `etcd member ips ${JSON.stringify(strange)} are not subset of control plane node ips ${JSON.stringify(known)}`;
      },
    },
    { name: 'apid to be ready', look: service('apid') }, { name: 'all nodes memory sizes', look: fine }, { name: 'all nodes disk sizes', look: fine },
    { name: 'no diagnostics', look: fine }, { name: 'kubelet to be healthy', look: service('kubelet') },
    {
      name: 'all nodes to finish boot sequence',
      look: async () => (node.stage === 'running' ? 'OK' : `nodes "${node.address}" are in stage "${node.stage}"; unmet: ${unmetConditions(node).map((one) => one.name).join(', ')}`),
    },
    { name: 'all k8s nodes to report', look: async () => ((await nodes()).length > 0 ? 'OK' : 'can\'t find expected node') },
    { name: 'all control plane static pods to be running', look: fine },
    { name: 'all control plane components to be ready', look: async () => ((await client.text('/readyz')) === 'ok' ? 'OK' : 'kube-apiserver is not ready') },
    {
      name: 'all k8s nodes to report ready',
      look: async () => {
        const late = (await nodes()).filter((one) => !isReady(one)).map((one) => one.metadata.name);
        return late.length === 0 ? 'OK' : `some nodes are not ready: [${late.join(' ')}]`;
      },
    },
    { name: 'kube-proxy to report ready', look: async () => 'SKIP' }, { name: 'coredns to report ready', look: async () => 'SKIP' },
    {
      name: 'all k8s nodes to report schedulable',
      look: async () => {
        const closed = (await nodes()).filter((one) => one.spec?.unschedulable === true).map((one) => one.metadata.name);
        return closed.length === 0 ? 'OK' : `some nodes are not schedulable: [${closed.join(' ')}]`;
      },
    },
  ];
}

/** cluster.ClusterService: the server side of `talosctl health`, with checks of what the lab has; kube-proxy and CoreDNS it has not. */
export const HEALTH_HANDLERS: Handlers = {
  HealthCheck: async function* (node, call, request) {
    if (node.config?.role !== 'control plane') throw status('Unimplemented', 'kubeconfig is only available on control plane nodes');
    const wait = (unpack('HealthCheckRequest', request)['wait_timeout'] ?? {}) as { seconds?: bigint };
    const end = Date.now() + Number(wait.seconds ?? DEFAULT_WAIT_S) * 1000;
    const { hostname, port, host } = new URL(node.config.endpoint);
    if (!await reachable(hostname, Number(port || 443))) {
      throw status('Unknown', `Get "https://${host}/api/v1/nodes": dial tcp ${host}: connect: connection refused`);
    }
    const material = controlPlaneMaterial(node.config, node.hostname, node.address);
    const client = kubeClient({ url: `https://${host}`, ca: material.kubernetesCa.crt, ...await adminPair(material) });
    try {
      const nodes = (await client.get<{ items: KubeNode[] }>('/api/v1/nodes')).items;
      const addresses = nodes.flatMap((one) => one.status?.addresses?.filter((a) => a.type === 'InternalIP').map((a) => a.address) ?? []);
      yield say(`discovered nodes: ${JSON.stringify(addresses)}`);
      for (const check of checks(node, client, call.signal)) {
        let last = '...';
        yield say(`waiting for ${check.name}: ...`);
        for (;;) {
          const seen = await check.look().catch((error: Error) => error.message);
          if (seen !== last) yield say(`waiting for ${check.name}: ${seen}`);
          last = seen;
          if (seen === 'OK' || seen === 'SKIP') break;
          if (Date.now() > end || call.signal.aborted) throw status('DeadlineExceeded', 'context deadline exceeded');
          await sleep(500);
        }
      }
    } finally {
      client.close();
    }
  },
};
