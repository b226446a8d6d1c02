import { getObjects, kubectl } from '../../gitops/kubectl.ts';
import type { Host } from '../../lib/host.ts';
import type { Step } from '../step.ts';
import type { Rebuild } from './rebuild-of.ts';

/** The labels and taints that somebody had put on the Node by hand are on the new one too; those of the machine config come with it. */
export function labelsStep({ facts, node, record }: Rebuild, needs: readonly string[]): Step {
  const lacking = async (host: Host): Promise<{ readonly labels: readonly string[]; readonly taints: readonly string[] }> => {
    const [kube] = await getObjects(host, facts.kubeconfig, [`node/${node.name}`]);
    const has = (kube?.spec?.['taints'] ?? []) as readonly { readonly key: string; readonly value?: string; readonly effect: string }[];
    return {
      labels: Object.entries(record.labels ?? {}).filter(([key, value]) => kube?.metadata.labels?.[key] !== value).map(([key, value]) => `${key}=${value}`),
      taints: (record.taints ?? []).filter((taint) => !has.some((each) => taintText(each) === taint)),
    };
  };
  return {
    id: `labels:${node.name}`, part: 'Rejoin', title: `Labels and taints of ${node.name}`, node: node.name, needs,
    async observe(host) {
      const { labels, taints } = await lacking(host);
      if (labels.length + taints.length > 0) return { state: 'needed', why: `to be put back: ${[...labels, ...taints].join(', ')}` };
      const kept = [...Object.keys(record.labels ?? {}), ...(record.taints ?? [])];
      return { state: 'done', detail: kept.length === 0 ? 'none but those of its config' : kept.join(', ') };
    },
    async act(host) {
      const { labels, taints } = await lacking(host);
      if (labels.length > 0) await kubectl(host, facts.kubeconfig, ['label', 'node', node.name, '--overwrite', ...labels]);
      if (taints.length > 0) await kubectl(host, facts.kubeconfig, ['taint', 'node', node.name, '--overwrite', ...taints]);
    },
  };
}

/** A taint as kubectl takes it: `key=value:effect`, without the value where there is none. */
export function taintText({ key, value, effect }: { readonly key: string; readonly value?: string | undefined; readonly effect: string }): string {
  return `${key}${value ? `=${value}` : ''}:${effect}`;
}
