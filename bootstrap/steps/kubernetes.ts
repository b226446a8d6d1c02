import { stat } from 'node:fs/promises';
import { waitFor } from '../../lib/conditions.ts';
import { FirstlightError } from '../../lib/errors.ts';
import type { Host } from '../../lib/host.ts';
import type { ClusterNode } from '../../nodes/cluster.ts';
import { tryKubectl } from '../../gitops/kubectl.ts';
import { kubeconfig } from '../../talos/talosctl.ts';
import type { Facts } from '../facts.ts';
import type { Step } from '../step.ts';

/** The kubeconfig in the scratch folder, from the first of these control planes that gives one, and a Kubernetes API server that is ready behind it. */
export function kubeconfigStep(facts: Facts, deadlineMs: number, from: readonly ClusterNode[] = facts.cluster.nodes.filter((node) => node.role === 'control plane')): Step {
  const ready = async (host: Host): Promise<string | undefined> => {
    const answer = await kubectl(host, facts, ['get', '--raw', '/readyz']);
    return answer.exitCode === 0 ? undefined : readiness(answer.stderr);
  };
  return {
    id: 'kubeconfig',
    part: 'Kubernetes',
    title: 'Kubernetes API server',
    needs: ['etcd'],
    async observe(host) {
      if (!await stat(facts.kubeconfig).then(() => true, () => false)) await fetchKubeconfig(facts, host, from);
      const seen = await ready(host);
      return seen === undefined ? { state: 'done', detail: `ready at ${facts.cluster.network.endpoint}` } : { state: 'needed', why: seen };
    },
    async act(host) {
      await waitFor({
        name: 'the Kubernetes API server is ready', deadlineMs, everyMs: 500,
        hint: 'Look at `talosctl -n <control plane> service` and `logs etcd`; images may still be pulled.',
        look: async () => {
          const seen = await ready(host);
          return seen === undefined ? { met: true, value: true } : { met: false, seen };
        },
      }, host);
    },
  };
}

/** The node is Ready in Kubernetes. */
export function readyStep(facts: Facts, node: ClusterNode, deadlineMs: number): Step {
  const seen = async (host: Host): Promise<string | undefined> => {
    const path = '{range .status.conditions[?(@.type=="Ready")]}{.status} {.reason}{end}';
    const answer = await kubectl(host, facts, ['get', 'node', node.name, '--ignore-not-found', '-o', `jsonpath=${path}`]);
    if (answer.exitCode !== 0) return answer.stderr.trim().split('\n').at(-1) ?? 'no answer';
    if (answer.stdout.startsWith('True')) return undefined;
    return answer.stdout.trim() === '' ? 'not registered yet' : `Ready is ${answer.stdout.trim()}`;
  };
  return {
    id: `ready:${node.name}`,
    part: 'Kubernetes',
    title: `${node.name} is Ready`,
    node: node.name,
    needs: ['kubeconfig', `config:${node.name}`],
    async observe(host) {
      const why = await seen(host);
      return why === undefined ? { state: 'done', detail: 'Ready' } : { state: 'needed', why };
    },
    async act(host) {
      await waitFor({
        name: `node ${node.name} is Ready`, deadlineMs, everyMs: 500,
        hint: `Look at \`talosctl -n ${node.address} service kubelet\` and its logs.`,
        look: async () => {
          const why = await seen(host);
          return why === undefined ? { met: true, value: true } : { met: false, seen: why };
        },
      }, host);
    },
  };
}

/** What of /readyz failed, as few words; else the last line that kubectl said. */
function readiness(stderr: string): string {
  const failing = [...stderr.matchAll(/\[-\]([^ ]+) failed/g)].map((match) => match[1]);
  if (failing.length > 0) return `not ready yet: ${failing.slice(0, 3).join(', ')}${failing.length > 3 ? ` and ${failing.length - 3} more` : ''}`;
  return stderr.trim().split('\n').at(-1) || 'no answer';
}

async function fetchKubeconfig(facts: Facts, host: Host, from: readonly ClusterNode[]): Promise<void> {
  for (const [index, controlPlane] of from.entries()) {
    try {
      return await kubeconfig(host, await facts.access(host, controlPlane), facts.kubeconfig);
    } catch (error) {
      if (index === from.length - 1 || !(error instanceof FirstlightError && error.code.startsWith('E_TALOS'))) throw error;
    }
  }
}

function kubectl(host: Host, facts: Facts, args: readonly string[]) {
  return tryKubectl(host, facts.kubeconfig, args, { requestSeconds: 5 });
}
