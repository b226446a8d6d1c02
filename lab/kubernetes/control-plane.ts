import { startApiServer, type ApiServer, type ApiServerOptions } from './api-server.ts';
import { controlLoopCommands } from './control-loops.ts';
import { follow } from './follow.ts';
import { keepRunning } from './kept-program.ts';
import { showStaticPods } from './static-pods.ts';
import { keepTalosAccess } from './talos-access.ts';

/** `nodeGraceMs` is how long a silent node counts as ready: 50 s unless told, as Kubernetes has it. */
export type ControlPlaneOptions = ApiServerOptions & { readonly nodeGraceMs?: number };

const ROLE = { 'node-role.kubernetes.io/control-plane': '' };

/**
 * Starts what a control plane runs beside etcd: real kube-apiserver, and real kube-controller-manager and kube-scheduler as soon as
 * it is ready (leaders are elected among the control planes). Gives its node the control plane's label as Talos does (a kubelet
 * may not), shows all three as mirror Pods, and keeps the accounts with which pods may use the Talos API. Returns at once; what ends by itself is started again. Throws E_NO_PROGRAM.
 */
export async function startControlPlane(options: ControlPlaneOptions): Promise<ApiServer> {
  const { material, folder, programs, nodeGraceMs } = options;
  const server = await startApiServer(options);
  const ended = new AbortController();
  const commands = await controlLoopCommands({ material, folder, programs, nodeGraceMs });
  const loops = commands.map((command) => keepRunning(command, server.ready));
  const path = `/api/v1/nodes?fieldSelector=metadata.name=${material.nodeName}`;
  let shown: string | undefined;
  const labelling = follow(server.client, path, ended.signal, async ({ changed }) => {
    const [node] = changed;
    if (!node) return;
    if (node.metadata.labels?.['node-role.kubernetes.io/control-plane'] === undefined) {
      await server.client.patch(`/api/v1/nodes/${material.nodeName}`, { metadata: { labels: ROLE } });
    }
    if (shown === node.metadata.uid) return;
    await showStaticPods(server.client, material, node);
    shown = node.metadata.uid;
  });
  const { talosAccess } = material;
  const talos = talosAccess === undefined ? undefined : server.ready.then(() => keepTalosAccess(server.client, material, talosAccess, ended.signal)).catch(() => {});
  const end = (how: 'stop' | 'kill') => async (): Promise<void> => {
    ended.abort();
    await Promise.all(loops.map((loop) => loop.end(how)));
    await server[how]();
    await Promise.all([labelling, talos]);
  };
  return { ...server, stop: end('stop'), kill: end('kill') };
}
