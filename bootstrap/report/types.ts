/** The version of a record that this firstlight writes; it reads this one and all before it. */
export const RECORD_VERSION = 1;

/**
 * What one scenario's rehearsal came to, as plain JSON: all that the report shows, and nothing that a report may not show (no
 * secrets: names, counts, digests, times). Lengths are milliseconds, `startMs` counts from `at`; times of day are ISO 8601, UTC.
 */
export type RehearsalRecord = {
  readonly version: typeof RECORD_VERSION;
  /** `name` is the file's name without its ending, `story` one paragraph for the owner, `file` the file it was read from. */
  readonly scenario: { readonly name: string; readonly title: string; readonly story: string; readonly file?: string };
  readonly cluster: string;
  readonly at: string;
  readonly ms: number;
  readonly verdict: Verdict;
  /** Why it did not pass, as whole sentences, the weightiest first; empty where it passed. */
  readonly reasons: readonly string[];
  /** How the ordinary command had to end, and how it ended. */
  readonly expected: ExpectedEnd;
  readonly ended: Ending;
  readonly world: World;
  readonly given: Given;
  readonly phases: readonly Phase[];
  /** The steps of the recovery, in the order they began. */
  readonly steps: readonly RecoveryStep[];
  /** The recovery on the real machines, part by part and one after another; together they are `rto.forecastMs`. */
  readonly forecast: readonly ForecastPart[];
  /** Left out where nothing was recovered (a rehearsal that had to fail, or failed before). */
  readonly rto?: RecoveryTime;
  readonly rpo?: RecoveryPoint;
  /** The cluster before the disaster, after it, and at the end; those that were not reached are left out. */
  readonly pictures: { readonly before?: ClusterPicture; readonly during?: ClusterPicture; readonly after?: ClusterPicture };
  /** Counted by kind and namespace before and after; volatile kinds (Pod, Lease, Event …) left out. */
  readonly objects: readonly ObjectRow[];
  /** Every object that is not as it was, by name. */
  readonly differences: readonly ObjectDifference[];
  readonly checks: readonly Check[];
  /** What did not come back and can't, as sentences; empty where nothing was lost. */
  readonly lost: readonly string[];
  /** What the numbers rest on, with where it is said. */
  readonly assumptions: readonly Assumption[];
  readonly versions: readonly Version[];
  readonly repeat: Repeat;
};

export type Verdict = 'passed' | 'failed' | 'missed budget';

/** `failure`: the scenario is there to be refused with this code (or one of these: `E_A or E_B`), before any harm; `why` is a whole sentence. */
export type ExpectedEnd = { readonly end: 'done' } | { readonly end: 'failure'; readonly code: string; readonly why: string };

/** `harm` says what had been changed already when it stopped; empty where nothing was touched. */
export type Ending = { readonly end: 'done' } | { readonly end: 'failure'; readonly code: string; readonly message: string; readonly hint: string; readonly harm: readonly string[] };

/** Where it ran, and by what nothing real could be reached: `proof` are sentences. */
export type World = { readonly kind: 'namespace' | 'loopback'; readonly proof: readonly string[] };

/** Where the state came from. `ageMs` is the archive's age when the rehearsal began; `sha256` of the archive as it lies in its place. */
export type Given =
  | { readonly from: 'archive'; readonly name: string; readonly place: string; readonly sha256: string; readonly at: string; readonly ageMs: number; readonly revision: number; readonly objects: number; readonly note?: string }
  | { readonly from: 'fresh'; readonly revision: number; readonly objects: number; readonly note?: string };

export type PhaseKind = 'given' | 'disaster' | 'recovery' | 'judgement';

/** A stretch of the rehearsal; phases follow each other. */
export type Phase = { readonly name: string; readonly kind: PhaseKind; readonly startMs: number; readonly ms: number };

/** A step as the runner ended it; `skipped` ones were never begun, because another failed. */
export type RecoveryStep = {
  readonly id: string; readonly title: string; readonly part: string; readonly node?: string;
  readonly startMs: number; readonly ms: number;
  readonly end: 'done' | 'already' | 'failed' | 'skipped'; readonly detail: string;
};

/** Where a forecast's length is from: clocked in this rehearsal, said in the inventory or by default, or seen in an own run on the real machines. */
export type ForecastSource = 'measured here' | 'assumption' | 'own run';

/** One part of the forecast: how long it took here, how long it will on the real machines. `on` is the day of the own run, `2026-11-02`. */
export type ForecastPart = {
  readonly phase: string; readonly measuredMs: number; readonly realMs: number;
  readonly from: ForecastSource; readonly on?: string; readonly note: string;
};

/** Time to recover: clocked here, and forecast for the real machines, which is what the budget is held against. */
export type RecoveryTime = { readonly measuredMs: number; readonly forecastMs: number; readonly budgetMs?: number; readonly met: boolean };

/** Data lost: from the snapshot to the disaster. Both are 0 where nothing was lost. */
export type RecoveryPoint = { readonly ms: number; readonly revisions: number; readonly budgetMs?: number; readonly met: boolean };

/** `caption` is one sentence: what is to be seen. */
export type ClusterPicture = { readonly caption: string; readonly nodes: readonly PictureNode[]; readonly services: readonly PictureService[] };

/** `ready` and `not ready` as Kubernetes says; `down` without power or card, `new` a board or card in place of another, not yet joined. */
export type NodeState = 'ready' | 'not ready' | 'down' | 'new';

/** `volumes` are the names of the LUNs attached to it; `note` a few words (`board and card dead`, `etcd leader`). */
export type PictureNode = {
  readonly name: string; readonly role: 'control plane' | 'worker'; readonly address: string;
  readonly state: NodeState; readonly note: string; readonly volumes: readonly string[];
};

/** What stands around the nodes. `parts` are what it holds (the NAS's LUNs, the git host's branch and revision). */
export type PictureService = {
  readonly kind: 'switch' | 'nas' | 'git' | 'vault'; readonly name: string;
  readonly state: 'well' | 'damaged' | 'gone'; readonly note: string; readonly parts: readonly string[];
};

/** `namespace` is empty for kinds without one. */
export type ObjectRow = { readonly kind: string; readonly namespace: string; readonly before: number; readonly after: number };

/** `allowed` says that the scenario (or the time between snapshot and disaster) lets it differ, and `why`. */
export type ObjectDifference = {
  readonly kind: string; readonly namespace: string; readonly name: string;
  readonly change: 'lost' | 'new' | 'changed'; readonly allowed: boolean; readonly why: string;
};

/** One thing judged, under the heading `group` (`Secrets`, `Flux`, `Volumes`, `Vault`, `etcd`, `Nodes`, …). */
export type Check = { readonly group: string; readonly what: string; readonly expected: string; readonly seen: string; readonly ok: boolean };

/** `from` is where it is said: `cluster.yaml, line 91`, `default`, `the run of 2 November 2026`. */
export type Assumption = { readonly what: string; readonly value: string; readonly from: string };

/** A program, an image, an archive, a commit. `sha256` in hex (a commit's own digest goes to `version`). */
export type Version = { readonly what: string; readonly version: string; readonly sha256?: string };

/** The command that does the same again, and what has to be at hand for it, as sentences. */
export type Repeat = { readonly command: string; readonly needs: readonly string[] };
