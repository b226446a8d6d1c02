import type { RebuildRecord } from '../../lib/lock-file.ts';
import type { ClusterNode } from '../../nodes/cluster.ts';
import type { Power } from '../../nodes/power.ts';
import type { ControlPlaneLook } from '../../talos/quorum.ts';

/** What a look gave, or why it gave nothing: with a dead machine about, not knowing is ordinary. */
export type Seen<T> = { readonly known: true; readonly value: T } | { readonly known: false; readonly why: string };

/**
 * Which card of a node a board booted, by the nonce of its stamp: the one that is known to be its (`current`), an `older` one, one of
 * which nothing is known (`unknown`: no card of this node was ever noted), or one without a stamp (`none`).
 */
export type CardSight = 'current' | 'older' | 'unknown' | 'none';

/**
 * A machine that may be the node's board. `configured`: it runs a config of this cluster under the node's name; `maintenance`: it waits for
 * one, and its card or its MAC is the node's; `other`: it stands in the node's place and is somebody else, in words, and which declared
 * node where it says that. `mac`: whether it has the declared one.
 */
export type BoardSight =
  | { readonly kind: 'configured' | 'maintenance'; readonly address: string; readonly card: CardSight; readonly mac: boolean }
  | { readonly kind: 'other'; readonly address: string; readonly told: string; readonly node?: string };

/** The Node object: `heartbeat` is when its kubelet was last heard (milliseconds since 1970); labels and taints that were put on it by hand. */
export type NodeSight = {
  readonly ready: boolean; readonly reason: string; readonly heartbeat?: number; readonly cordoned: boolean;
  readonly labels: Readonly<Record<string, string>>; readonly taints: readonly string[];
};

/** A pod on the node. `owner` is what makes it anew elsewhere (`ReplicaSet`), undefined where nothing does; `bound`: it belongs to this node (DaemonSet, static); `scratch`: it has an emptyDir. */
export type PodSight = { readonly name: string; readonly owner?: string; readonly bound: boolean; readonly scratch: boolean; readonly claims: readonly string[] };

/** What Kubernetes says. `server` is the API server that answered; `local` are PersistentVolumes whose data lies on this node; `ready` each Node's state by name. */
export type KubernetesSight = {
  readonly server: string; readonly node?: NodeSight; readonly pods: readonly PodSight[]; readonly local: readonly string[];
  readonly attachments: readonly { readonly name: string; readonly volume: string; readonly attached: boolean }[];
  readonly ready: Readonly<Record<string, boolean>>;
};

/** An iSCSI session that the NAS has from the node's address; `target` by its IQN. */
export type HeldSession = { readonly target: string; readonly initiator: string };

/** A snapshot or backup that a restore could take; `at` is ISO 8601. */
export type AtHand = { readonly file: string; readonly at: string };

/** Everything that could be seen of a node that may have to be rebuilt, at `at` (milliseconds since 1970). */
export type Diagnosis = {
  readonly cluster: string;
  readonly node: ClusterNode;
  readonly at: number;
  readonly controlPlanes: readonly string[];
  /** The rebuild that is under way, of whichever node. */
  readonly rebuild?: RebuildRecord;
  readonly power: Seen<Power>;
  /** Whether port 50000 at the node's address takes a connection. */
  readonly open: Seen<boolean>;
  readonly boards: Seen<readonly BoardSight[]>;
  readonly kubernetes: Seen<KubernetesSight>;
  /** One for each declared control plane. */
  readonly etcd: readonly ControlPlaneLook[];
  /** Whether the cluster has a NAS. */
  readonly nas: boolean;
  readonly sessions: Seen<readonly HeldSession[]>;
  /** The other nodes: whether their Talos answers, and as far as it is known whether Kubernetes has them Ready. */
  readonly others: readonly { readonly node: string; readonly answers: boolean; readonly ready?: boolean }[];
  readonly backups: Seen<readonly AtHand[]>;
};

/** What follows from a diagnosis. `answers`, `lost`, `todo`, `never` (what can't come back) are sentences for people; `refuse.forcible` where `--force` overrules it. */
export type Conclusion = {
  readonly state: 'healthy' | 'dead' | 'half';
  readonly way: RebuildRecord['way'];
  /** What is broken, as far as it can be told from here. */
  readonly cause: string;
  readonly answers: readonly string[];
  readonly lost: readonly string[];
  readonly todo: readonly string[];
  readonly never: readonly string[];
  readonly refuse?: { readonly code: string; readonly reason: string; readonly hint: string; readonly forcible: boolean };
};
