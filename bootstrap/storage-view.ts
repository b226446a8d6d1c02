import { FirstlightError, problem } from '../lib/errors.ts';
import { withSignal, type Host } from '../lib/host.ts';
import { getObjects, type KubeObject } from '../gitops/kubectl.ts';
import { UUID_ANNOTATION } from '../gitops/volume-manifests.ts';
import type { Cluster, Nas } from '../nodes/cluster.ts';
import { markedFor, type DsmLun } from '../storage/dsm/luns.ts';
import { withDsm } from '../storage/dsm/session.ts';
import type { DsmTarget } from '../storage/dsm/targets.ts';
import { readContents } from '../storage/ensure.ts';
import { match, sameIqn, type NasContents } from '../storage/findings.ts';
import { checkSecrets, nasPassword } from '../storage/secrets.ts';
import { initiatorOf } from '../talos/extensions.ts';
import { kubeconfig } from '../talos/talosctl.ts';
import type { Facts } from './facts.ts';
import { trustedNas } from './steps/nas-certificate.ts';

/** Who holds a session on a target; `node` where the initiator or the address is a node's of the cluster. */
export type SessionView = { readonly initiator: string; readonly address: string; readonly node?: string };

/** A target that shows a LUN. */
export type TargetView = { readonly iqn: string; readonly name: string; readonly chap: 'none' | 'one-way' | 'mutual'; readonly enabled: boolean; readonly number?: number; readonly sessions: readonly SessionView[] };

/** A PersistentVolume of the cluster that is a LUN, and the claim it is kept for. */
export type VolumeView = { readonly name: string; readonly phase: string; readonly claim?: string };

/** A LUN of the NAS with all that hangs on it. `declaredAs` is its name in the cluster file, `markedFor` the cluster whose firstlight made it. */
export type LunView = {
  readonly name: string;
  readonly uuid: string;
  readonly bytes: number;
  readonly location: string;
  readonly declaredAs?: string;
  readonly markedFor?: string;
  readonly targets: readonly TargetView[];
  readonly volumes: readonly VolumeView[];
};

/** The NAS beside the cluster. `absent` are declared LUNs that are not there; `kubernetes` says why no volumes are shown, where none could be read. */
export type StorageView = { readonly cluster: string; readonly nas: string; readonly luns: readonly LunView[]; readonly absent: readonly string[]; readonly kubernetes?: string };

/** The cluster's NAS as declared. Throws `E_STORAGE_NO_NAS`. */
export function declaredNas(cluster: Cluster): Nas {
  if (cluster.nas) return cluster.nas;
  throw problem('E_STORAGE_NO_NAS', `cluster ${cluster.name} has no NAS`, 'Add a section nas to cluster.yaml.');
}

/** What the NAS holds. Throws `E_DSM_…`, `E_STORAGE_NO_NAS`, what opening the credentials throws. */
export async function contentsOfNas(host: Host, facts: Facts): Promise<NasContents> {
  const declared = declaredNas(facts.cluster);
  const credentials = await facts.credentials(host);
  checkSecrets(host, { ...declared, luns: [] }, credentials);
  return await withDsm(host, await trustedNas(host, facts, declared), nasPassword(credentials), readContents);
}

/**
 * Every LUN of the NAS with its targets, sessions, and (where the cluster answers within 20 s) volumes and claims. Only reads.
 * Throws as `contentsOfNas`.
 */
export async function viewStorage(host: Host, facts: Facts): Promise<StorageView> {
  const contents = await contentsOfNas(host, facts);
  const { cluster } = facts;
  const nas = declaredNas(cluster);
  const { volumes, initiators } = await lookIntoCluster(host, facts);
  const declared = new Map(nas.luns.map((lun) => [match(contents, lun).lun?.uuid, lun.name]));
  return {
    cluster: cluster.name, nas: nas.address,
    luns: contents.luns.map((lun) => viewLun(lun, contents, { cluster, initiators }, declared.get(lun.uuid), volumes.kind === 'read' ? volumes.objects : [])),
    absent: nas.luns.filter((lun) => match(contents, lun).lun === undefined).map((lun) => lun.name),
    ...(volumes.kind === 'unread' ? { kubernetes: volumes.why } : {}),
  };
}

/** The targets that show a LUN. */
export function targetsOf(contents: NasContents, lun: DsmLun): readonly DsmTarget[] {
  return contents.targets.filter((target) => target.mapped_luns.some((mapped) => mapped.lun_uuid === lun.uuid));
}

type Nodes = { readonly cluster: Cluster; readonly initiators: ReadonlyMap<string, string> };

function viewLun(lun: DsmLun, contents: NasContents, nodes: Nodes, declaredAs: string | undefined, objects: readonly KubeObject[]): LunView {
  const targets = targetsOf(contents, lun);
  const mark = markedFor(lun);
  return {
    name: lun.name, uuid: lun.uuid, bytes: lun.size, location: lun.location,
    ...(declaredAs === undefined ? {} : { declaredAs }), ...(mark === undefined ? {} : { markedFor: mark }),
    targets: targets.map((target) => viewTarget(target, lun, nodes)),
    volumes: objects.filter((object) => isOf(object, lun, targets)).map(viewVolume),
  };
}

function viewTarget(target: DsmTarget, lun: DsmLun, { cluster, initiators }: Nodes): TargetView {
  const number = target.mapped_luns.find((mapped) => mapped.lun_uuid === lun.uuid)?.mapping_index;
  return {
    iqn: target.iqn, name: target.name, chap: target.auth_type === 0 ? 'none' : target.auth_type === 2 ? 'mutual' : 'one-way', enabled: target.is_enabled,
    ...(number === undefined ? {} : { number }),
    sessions: target.connected_sessions.map(({ iqn, ip }) => {
      const node = [...initiators].find(([, each]) => sameIqn(each, iqn))?.[0] ?? cluster.nodes.find((each) => each.address === ip)?.name;
      return { initiator: iqn, address: ip, ...(node === undefined ? {} : { node }) };
    }),
  };
}

type Source = { readonly csi?: { readonly volumeHandle?: string; readonly volumeAttributes?: { readonly iqn?: string } }; readonly iscsi?: { readonly iqn?: string }; readonly claimRef?: { readonly namespace?: string; readonly name?: string } };

/** By the uuid that firstlight or synology-csi (volumeHandle) wrote into the volume, else by its target. */
function isOf(volume: KubeObject, lun: DsmLun, targets: readonly DsmTarget[]): boolean {
  const { csi, iscsi } = (volume.spec ?? {}) as Source;
  const annotated = (volume.metadata['annotations'] as Readonly<Record<string, string>> | undefined)?.[UUID_ANNOTATION];
  if (annotated !== undefined) return annotated === lun.uuid;
  if (csi?.volumeHandle === lun.uuid) return true;
  const iqn = iscsi?.iqn ?? csi?.volumeAttributes?.iqn;
  return iqn !== undefined && targets.some((target) => sameIqn(target.iqn, iqn));
}

function viewVolume(volume: KubeObject): VolumeView {
  const claim = ((volume.spec ?? {}) as Source).claimRef;
  return {
    name: volume.metadata.name, phase: String(volume.status?.['phase'] ?? 'unknown'),
    ...(claim?.name === undefined ? {} : { claim: `${claim.namespace ?? 'default'}/${claim.name}` }),
  };
}

type Volumes = { readonly kind: 'read'; readonly objects: readonly KubeObject[] } | { readonly kind: 'unread'; readonly why: string };

/** What the cluster says: its volumes, and its nodes' initiators as far as they answer. */
async function lookIntoCluster(host: Host, facts: Facts): Promise<{ readonly volumes: Volumes; readonly initiators: ReadonlyMap<string, string> }> {
  const patient = withSignal(host, AbortSignal.timeout(20_000));
  const [volumes, initiators] = await Promise.all([volumesOf(patient, host, facts), Promise.all(facts.cluster.nodes.map(async (node) => {
    const iqn = await facts.access(patient, node).then((access) => initiatorOf(patient, access)).catch(() => undefined);
    return iqn === undefined ? [] : [[node.name, iqn] as const];
  }))]);
  host.signal.throwIfAborted();
  return { volumes, initiators: new Map(initiators.flat()) };
}

async function volumesOf(patient: Host, host: Host, facts: Facts): Promise<Volumes> {
  const controlPlane = facts.cluster.nodes.find((node) => node.role === 'control plane')!;
  try {
    await kubeconfig(patient, await facts.access(patient, controlPlane), facts.kubeconfig);
    return { kind: 'read', objects: await getObjects(patient, facts.kubeconfig, ['persistentvolumes']) };
  } catch (error) {
    host.signal.throwIfAborted();
    return { kind: 'unread', why: patient.signal.aborted ? 'the cluster did not answer within 20 s' : error instanceof FirstlightError ? error.message : String(error) };
  }
}
