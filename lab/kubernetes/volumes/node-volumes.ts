import type { KubeClient, KubeObject } from '../client.ts';
import { tellEvent } from '../pods/pod-event.ts';
import type { PodVolumes } from '../pods/pod-life.ts';
import type { Missing } from '../pods/pod-needs.ts';
import type { Pod } from '../pods/pod-object.ts';
import { findingText, tendCanary, type CanaryFinding } from './canary.ts';
import { attachName, boundClaims, mustAttach, type BoundClaim } from './claims.ts';
import { locate, type Located, type NodeDrivers } from './drivers.ts';
import { createSessions, type Sessions } from './sessions.ts';

/** One mount of a claim, for whoever watches the world: which pod on which node, as which initiator, and what was found. */
export type Mount = {
  readonly node: string;
  readonly pod: string;
  /** `namespace/name` */
  readonly claim: string;
  readonly persistentVolume: string;
  readonly portal: string;
  readonly iqn: string;
  readonly lun: number;
  readonly initiator: string;
  readonly finding: CanaryFinding;
};

/** `cluster` stands in the canaries; `told` hears of every mount. */
export type NodeVolumesOptions = {
  readonly client: KubeClient;
  readonly nodeName: string;
  /** The node's address, which its sessions come from. */
  readonly address: string;
  readonly cluster: string;
  /** Undefined where iscsiadm is not installed. */
  readonly initiator: string | undefined;
  readonly drivers: NodeDrivers;
  /** Why Kubernetes' own iSCSI plugin can mount nothing. */
  readonly iscsiFault?: string | undefined;
  readonly told?: ((mount: Mount) => void) | undefined;
};

/** A node's volumes: what its pods have mounted. */
export type NodeVolumes = PodVolumes & {
  /** Tells the Node object anew which volumes are in use here. */
  tell(): Promise<void>;
  end: Sessions['end'];
};

type Held = { readonly name: string; readonly pods: Set<string>; located: Located | undefined; mounted: boolean };

const WAITING = 'ContainerCreating';

/**
 * Mounts claims as a kubelet does: tells the attach-detach controller that a volume is in use, waits until it is attached to this
 * node, logs in to the target as this node with the volume's CHAP, and keeps the session while a pod uses it. In place of mounting
 * a file system, it tends the claim's canary.
 */
export function createNodeVolumes(options: NodeVolumesOptions): NodeVolumes {
  const { client, nodeName, drivers } = options;
  const initiator = options.initiator ?? '';
  const sessions = createSessions(initiator, options.address);
  const held = new Map<string, Held>();
  const node = `/api/v1/nodes/${nodeName}`;
  let turn: Promise<unknown> = Promise.resolve();
  const inTurn = <T>(work: () => Promise<T>): Promise<T> => {
    const mine = turn.then(work, work);
    turn = mine.catch(() => {});
    return mine;
  };
  const tellInUse = async (): Promise<void> => {
    await client.patch(`${node}/status`, { status: { volumesInUse: [...held.keys()] } }, 'strategic-merge');
  };
  const attached = async (name: string): Promise<boolean> => {
    const { status } = await client.get<KubeObject & { status?: { volumesAttached?: { name: string }[] } }>(node);
    return status?.volumesAttached?.some((each) => each.name === name) ?? false;
  };

  const mountOne = async (pod: Pod, claim: BoundClaim): Promise<Missing | undefined> => {
    const name = attachName(claim.source);
    if (name === undefined) return undefined;
    const entry = held.get(name) ?? { name, pods: new Set(), located: undefined, mounted: false };
    if (!held.has(name)) {
      held.set(name, entry);
      await tellInUse();
    }
    entry.pods.add(pod.metadata.uid ?? '');
    if (entry.mounted) return undefined;
    if (await mustAttach(client, claim.source) && !await attached(name)) return { reason: WAITING, message: '' };
    try {
      const located = await locate(claim, client, drivers, options.iscsiFault);
      if (located) await stage(pod, claim, entry, located);
      entry.mounted = true;
      return undefined;
    } catch (error) {
      return { reason: WAITING, event: 'FailedMount', message: `MountVolume.MountDevice failed for volume "${claim.persistentVolume}" : ${(error as Error).message}` };
    }
  };

  const stage = async (pod: Pod, claim: BoundClaim, entry: Held, located: Located): Promise<void> => {
    if (initiator === '') throw new Error('executable file not found in $PATH: iscsiadm');
    const session = await sessions.to(located.login);
    entry.located = located;
    const whole = `${claim.namespace}/${claim.claim}`;
    const finding = await tendCanary(session, located.lun, { cluster: options.cluster, claim: whole, node: nodeName, initiator }, claim.readOnly);
    const { portal, iqn } = located.login;
    options.told?.({ node: nodeName, pod: `${pod.metadata.namespace}/${pod.metadata.name}`, claim: whole, persistentVolume: claim.persistentVolume, portal, iqn, lun: located.lun, initiator, finding });
    const well = finding.kind === 'written' || finding.kind === 'read back' || finding.kind === 'empty';
    await tellEvent(client, pod, well ? 'Normal' : 'Warning', 'VolumeCanary', `volume "${claim.persistentVolume}": ${findingText(finding)}`);
  };

  return {
    mount: (pod) => inTurn(async () => {
      const claims = await boundClaims(client, pod);
      if (typeof claims === 'string') return { reason: WAITING, message: claims };
      for (const claim of claims) {
        const missing = await mountOne(pod, claim);
        if (missing) return missing;
      }
      return undefined;
    }),
    unmount: (pod) => inTurn(async () => {
      const uid = pod.metadata.uid ?? '';
      const free = [...held.values()].filter((entry) => entry.pods.delete(uid) && entry.pods.size === 0);
      for (const entry of free) {
        held.delete(entry.name);
        const { located } = entry;
        const shared = located && [...held.values()].some((other) => other.located?.login.iqn === located.login.iqn && other.located.login.portal === located.login.portal);
        if (located && !shared) await sessions.logOut(located.login);
      }
      if (free.length > 0) await tellInUse();
    }),
    tell: () => inTurn(tellInUse),
    end: (how) => sessions.end(how),
  };
}
