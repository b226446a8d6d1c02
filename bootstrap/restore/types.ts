import type { FirstlightError } from '../../lib/errors.ts';
import type { RestorePart } from '../../lib/lock-file.ts';
import type { ClusterNode } from '../../nodes/cluster.ts';
import type { SnapshotProof } from '../../talos/snapshot.ts';
import type { Archive } from '../archive/types.ts';

/** An archive that was opened and proven for a restore; `named` by the person, where there may be a `later` one that opens too. `name` is its file's name. */
export type Proven = { readonly name: string; readonly named: boolean; readonly archive: Archive; readonly proof: SnapshotProof; readonly later?: Later };

/** A backup, or an etcd that still answers, which knows more than the archive: `at` is ISO 8601; `file` a snapshot of it in the scratch folder, where one was taken. */
export type Later = { readonly what: string; readonly at: string; readonly revision: number; readonly file?: string };

/** A node's board: it runs a config of this cluster, it waits for one with the node's card, or nothing of it answers. */
export type NodeSight = { readonly node: ClusterNode; readonly state: 'configured' | 'waiting' | 'lost'; readonly seen: string };

/**
 * etcd: it `lives` (a member answered a read for which it needs a quorum; `revision` of Kubernetes, where its API server answers); it is `lost`
 * (`holding` are the control planes that still have data of it; `later` what one of them knows more than the archive); or what was seen does not decide it (`unclear`).
 */
export type EtcdSight =
  | { readonly kind: 'lives'; readonly node: string; readonly revision?: number }
  | { readonly kind: 'lost'; readonly why: string; readonly holding: readonly string[]; readonly later?: Later }
  | { readonly kind: 'unclear'; readonly why: string };

/** Another part, as it was looked at: nothing is lost of it, something is that a restore brings back, or something is that it can't (`known: false` where nobody could say). */
export type PartSight =
  | { readonly kind: 'well'; readonly told: string }
  | { readonly kind: 'lost'; readonly told: string; readonly todo: string }
  | { readonly kind: 'beyond'; readonly told: string; readonly hint: string };

/** What a look at everything gave. Parts that the cluster does not have are absent. `blind` says why this computer may be the one that is cut off, where nothing of the cluster's network answers it. */
export type RestoreLook = {
  readonly at: number;
  readonly blind?: string;
  readonly nodes: readonly NodeSight[];
  readonly etcd: EtcdSight;
  readonly nas?: PartSight;
  readonly git?: PartSight;
  readonly key?: PartSight;
};

/** Why a restore is not begun; `forcible` where `--force` and the cluster's name overrule it. */
export type Refusal = { readonly error: FirstlightError; readonly forcible: boolean };

/** What follows from a look: which parts are brought back, in sentences what is lost, what will be done, what can't come back; and what forbids it. */
export type RestoreVerdict = {
  readonly parts: readonly RestorePart[];
  readonly lost: readonly string[];
  readonly todo: readonly string[];
  readonly never: readonly string[];
  readonly refusals: readonly Refusal[];
};
