import { waitFor, type Look } from '../../lib/conditions.ts';
import type { Host } from '../../lib/host.ts';
import { getObjects, kubectl, throughOutage, tryKubectl, type KubeObject } from '../../gitops/kubectl.ts';
import type { Step } from '../step.ts';
import { stillFenced } from '../steps/fence.ts';
import { incarnationOf } from './incarnation.ts';
import type { Rebuild } from './rebuild-of.ts';

/** Milliseconds that pods of a node that still answers get to end by themselves. */
const DRAIN_MS = 120_000;
/** Milliseconds until the control plane has detached the volumes of a dead node, at least: it takes seconds, but what detaches may have run on that node, and its images be pulled elsewhere first. */
const LET_GO_MS = 5 * 60_000;

/** The taint that tells Kubernetes a node is off for good: its pods are deleted and its volumes detached by force (Kubernetes: "Non-graceful node shutdown handling"). */
const OUT_OF_SERVICE = 'node.kubernetes.io/out-of-service=nodeshutdown:NoExecute';

/** Nothing new comes onto the node, and where its board still answers, its pods end in good order: before the power is cut. A drain that does not end in time holds nothing up. */
export function drainStep(rebuild: Rebuild, needs: readonly string[]): Step {
  const { facts, node } = rebuild;
  let tried = false;
  const look = async (host: Host): Promise<{ readonly why: string } | { readonly detail: string }> => {
    const kube = await nodeObject(rebuild, host);
    if (!kube) return { detail: `Kubernetes has no node ${node.name}` };
    const incarnation = await incarnationOf(host, rebuild);
    if (incarnation === 'new') return { detail: 'it runs from its new card' };
    if (kube.spec?.['unschedulable'] !== true) return { why: 'pods may still come onto it' };
    if (incarnation !== 'old') return { detail: 'cordoned; its board does not answer, so nothing can be drained' };
    const left = movable(await podsOn(rebuild, host));
    if (left.length > 0 && !tried) return { why: `${left.length} pods run on it` };
    return { detail: left.length === 0 ? 'cordoned and drained' : `cordoned; not drained in ${DRAIN_MS / 1000} s: ${names(left)}` };
  };
  return {
    id: `drain:${node.name}`, part: 'Drain', title: `${node.name} is cordoned, and drained where it answers`, node: node.name, needs,
    async observe(host) {
      const seen = await look(host);
      return 'detail' in seen ? { state: 'done', detail: seen.detail } : { state: 'needed', why: seen.why };
    },
    async act(host) {
      await kubectl(host, facts.kubeconfig, ['cordon', node.name]);
      if (await incarnationOf(host, rebuild) === 'old') await drain(rebuild, host);
      tried = true;
    },
  };
}

async function drain({ facts, node }: Rebuild, host: Host): Promise<void> {
  const args = ['drain', node.name, '--ignore-daemonsets', '--delete-emptydir-data', '--force', `--timeout=${DRAIN_MS / 1000}s`];
  const done = await tryKubectl(host, facts.kubeconfig, args, { requestSeconds: DRAIN_MS / 1000 + 10 });
  if (done.exitCode !== 0) host.emit({ code: 'rebuild.undrained', message: `${node.name} was not drained wholly: ${done.stderr.trim().split('\n').at(-1) ?? ''}` });
}

/** Kubernetes gives up what the old board had: pods, VolumeAttachments, its Node. Behind the fence only: the taint detaches volumes by force. */
export function evictStep(rebuild: Rebuild, needs: readonly string[]): Step {
  const { facts, node } = rebuild;
  const look = async (host: Host): Promise<string | undefined> => {
    if (await incarnationOf(host, rebuild) === 'new') return undefined;
    const [kube, attached] = [await nodeObject(rebuild, host), await attachmentsOf(rebuild, host)];
    const left = [...(kube ? ['its Node'] : []), ...attached.map((each) => `VolumeAttachment ${each.metadata.name}`)];
    return left.length === 0 ? undefined : left.join(', ');
  };
  return {
    id: `evict:${node.name}`, part: 'Evict', title: `Kubernetes lets go of the old ${node.name}`, node: node.name, needs,
    danger: `What runs on ${node.name} is given up, and its volumes are detached by force.`,
    async observe(host) {
      const left = await look(host);
      return left === undefined ? { state: 'done', detail: 'no pod, no volume and no Node of the old board is left' } : { state: 'needed', why: `still there: ${left}` };
    },
    async act(host) {
      await stillFenced(facts, host, node);
      if (await nodeObject(rebuild, host)) await kubectl(host, facts.kubeconfig, ['taint', 'node', node.name, OUT_OF_SERVICE, '--overwrite']);
      // Behind the fence nothing runs there any more: Kubernetes need not wait until it believes so itself (50 s).
      for (const pod of movable(await podsOn(rebuild, host))) await giveUp(rebuild, host, pod);
      await waitFor({
        name: `no pod and no volume is held by ${node.name}`, deadlineMs: Math.max(LET_GO_MS, rebuild.patience.joinMs), everyMs: 1_000,
        hint: `See \`kubectl get pods -A --field-selector spec.nodeName=${node.name}\` and \`kubectl get volumeattachments\`, and why they don't go; then run the same command again.`,
        look: () => throughOutage(() => letGo(rebuild, host)),
      }, host);
      await stillFenced(facts, host, node);
      await kubectl(host, facts.kubeconfig, ['delete', 'node', node.name, '--ignore-not-found', '--wait=false']);
    },
  };
}

/** Takes a pod of a board that is off out of Kubernetes at once; what owns it makes another one elsewhere. */
async function giveUp({ facts }: Rebuild, host: Host, { metadata }: KubeObject): Promise<void> {
  await kubectl(host, facts.kubeconfig, ['delete', 'pod', '-n', metadata.namespace!, metadata.name, '--force', '--grace-period=0', '--ignore-not-found', '--wait=false']);
}

async function letGo(rebuild: Rebuild, host: Host): Promise<Look<true>> {
  const [pods, attached] = [movable(await podsOn(rebuild, host)), await attachmentsOf(rebuild, host)];
  if (pods.length + attached.length === 0) return { met: true, value: true };
  return { met: false, seen: [...(pods.length > 0 ? [`pods ${names(pods)}`] : []), ...attached.map((each) => `VolumeAttachment ${each.metadata.name}`)].join(', ') };
}

async function nodeObject({ facts, node }: Rebuild, host: Host): Promise<KubeObject | undefined> {
  return (await getObjects(host, facts.kubeconfig, [`node/${node.name}`]))[0];
}

function podsOn({ facts, node }: Rebuild, host: Host): Promise<readonly KubeObject[]> {
  return getObjects(host, facts.kubeconfig, ['pods', '--all-namespaces', `--field-selector=spec.nodeName=${node.name},status.phase!=Succeeded,status.phase!=Failed`]);
}

async function attachmentsOf({ facts, node }: Rebuild, host: Host): Promise<readonly KubeObject[]> {
  return (await getObjects(host, facts.kubeconfig, ['volumeattachments'])).filter((each) => each.spec?.['nodeName'] === node.name);
}

/** Pods that leave a node: not those of a DaemonSet nor the images of static pods, which stay as long as the Node does. */
function movable(pods: readonly KubeObject[]): readonly KubeObject[] {
  return pods.filter(({ metadata }) => {
    const owners = (metadata['ownerReferences'] ?? []) as readonly { readonly kind?: string }[];
    const mirror = (metadata['annotations'] as Readonly<Record<string, string>> | undefined)?.['kubernetes.io/config.mirror'] !== undefined;
    return !mirror && !owners.some((owner) => owner.kind === 'DaemonSet');
  });
}

function names(pods: readonly KubeObject[]): string {
  return pods.map((pod) => `${pod.metadata.namespace}/${pod.metadata.name}`).join(', ');
}
