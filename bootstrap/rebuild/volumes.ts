import { waitFor } from '../../lib/conditions.ts';
import type { Host } from '../../lib/host.ts';
import { getObjects, throughOutage, type KubeObject } from '../../gitops/kubectl.ts';
import type { Step } from '../step.ts';
import type { Rebuild } from './rebuild-of.ts';

/**
 * The volumes are in use again: every pod that has a claim of a declared LUN runs, and nothing is attached to a node that does not
 * exist. Kubernetes does it; this only waits.
 */
export function volumesBackStep(rebuild: Pick<Rebuild, 'facts' | 'node' | 'patience'>, needs: readonly string[]): Step {
  const { node, patience } = rebuild;
  return {
    id: 'volumes-back', part: 'Volumes', title: 'Volumes attached again', needs,
    async observe(host) {
      const { waiting, told } = await look(rebuild, host);
      return waiting.length === 0 ? { state: 'done', detail: told } : { state: 'needed', why: waiting.join('; ') };
    },
    async act(host) {
      await waitFor({
        name: 'every pod with a volume of the NAS runs', deadlineMs: patience.joinMs, everyMs: 1_000,
        hint: `${node.name} itself is back. See \`kubectl describe pod\` for the pod named above, and \`kubectl get volumeattachments\`.`,
        look: () => throughOutage(async () => {
          const { waiting } = await look(rebuild, host);
          return waiting.length === 0 ? { met: true, value: true } : { met: false, seen: waiting.join('; ') };
        }),
      }, host);
    },
  };
}

async function look({ facts }: Pick<Rebuild, 'facts'>, host: Host): Promise<{ readonly waiting: readonly string[]; readonly told: string }> {
  const [pods, attachments, nodes] = await Promise.all([['pods', '--all-namespaces'], ['volumeattachments'], ['nodes']].map((args) => getObjects(host, facts.kubeconfig, args)));
  const claims = new Set((facts.cluster.nas?.luns ?? []).flatMap(({ claim }) => (claim ? [`${claim.namespace}/${claim.name}`] : [])));
  const users = (pods ?? []).filter((pod) => !['Succeeded', 'Failed'].includes(phaseOf(pod)) && claimsOf(pod).some((claim) => claims.has(claim)));
  const there = new Set((nodes ?? []).map((each) => each.metadata.name));
  const waiting = [
    ...users.filter((pod) => phaseOf(pod) !== 'Running').map((pod) => `pod ${keyOf(pod)} is ${phaseOf(pod)}`),
    ...(attachments ?? []).flatMap((each) => {
      const on = String(each.spec?.['nodeName']);
      if (!there.has(on)) return [`VolumeAttachment ${each.metadata.name} is for ${on}, which does not exist`];
      return each.status?.['attached'] === true ? [] : [`VolumeAttachment ${each.metadata.name} on ${on} is not attached yet`];
    }),
  ];
  return { waiting, told: users.length === 0 ? 'no pod uses a LUN' : users.map((pod) => `${claimsOf(pod).filter((claim) => claims.has(claim)).join(', ')} by ${keyOf(pod)} on ${String(pod.spec?.['nodeName'])}`).join('; ') };
}

function phaseOf(pod: KubeObject): string {
  return String(pod.status?.['phase'] ?? 'unknown');
}

function keyOf({ metadata }: KubeObject): string {
  return `${metadata.namespace}/${metadata.name}`;
}

function claimsOf(pod: KubeObject): readonly string[] {
  const volumes = (pod.spec?.['volumes'] ?? []) as readonly { readonly persistentVolumeClaim?: { readonly claimName: string } }[];
  return volumes.flatMap(({ persistentVolumeClaim }) => (persistentVolumeClaim ? [`${pod.metadata.namespace}/${persistentVolumeClaim.claimName}`] : []));
}
