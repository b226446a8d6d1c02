import { dirname } from 'node:path';
import type { Cluster } from '../../nodes/cluster.ts';

/** What to paste into a shell to look into a cluster: the command by which a shell gets to its network, where it has one of its own; settings, and the commands that show the truth. */
export function accessText(cluster: Cluster, programs: ReadonlyMap<string, string>, settings: Readonly<Record<string, string>>, enter?: string): string {
  const folders = [...new Set(['talosctl', 'kubectl', 'flux', 'etcdctl'].flatMap((name) => (programs.has(name) ? [dirname(programs.get(name)!)] : [])))];
  const controlPlane = cluster.nodes.find((node) => node.role === 'control plane');
  return [
    '',
    'To look into the cluster, in another shell:',
    '',
    ...(enter === undefined ? [] : [`  ${enter}`]),
    ...Object.entries(settings).map(([name, value]) => `  export ${name}=${value}`),
    `  export PATH=${[...folders, '$PATH'].join(':')}`,
    '',
    `  talosctl -n ${controlPlane?.address ?? ''} get members`,
    '  kubectl get nodes',
    ...(cluster.gitops ? ['  flux get all'] : []),
    ...(settings['ETCDCTL_ENDPOINTS'] ? ['  etcdctl member list'] : []),
    `  firstlight status ${cluster.folder}`,
    '',
  ].join('\n');
}
