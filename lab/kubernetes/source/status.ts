import type { KubeObject } from '../client.ts';

/** A condition as source-controller writes it. */
export type SourceCondition = {
  readonly type: string;
  readonly status: 'True' | 'False' | 'Unknown';
  readonly reason: string;
  readonly message: string;
  readonly observedGeneration: number;
  readonly lastTransitionTime: string;
};

/** `status.artifact` (fluxcd/pkg:apis/meta/artifact_types.go). `digest` is `sha256:…`, the time has whole seconds. */
export type Artifact = {
  readonly path: string;
  readonly url: string;
  readonly revision: string;
  readonly digest: string;
  readonly size: number;
  readonly lastUpdateTime: string;
};

/** What all sources (fluxcd/source-controller:api/v1) have. */
export type SourceObject = KubeObject & {
  readonly spec: { readonly interval?: string; readonly timeout?: string; readonly suspend?: boolean; readonly [key: string]: unknown };
  readonly status?: {
    readonly observedGeneration?: number;
    readonly artifact?: Artifact;
    readonly conditions?: readonly SourceCondition[];
    readonly lastHandledReconcileAt?: string;
    readonly [key: string]: unknown;
  };
};

/** The condition that a failure sets. `Stalled` is set besides it where only a change of the spec can help. */
type FailureKind = 'FetchFailed' | 'BuildFailed' | 'StorageOperationFailed';

/** A failure with the reason that source-controller gives it. */
export class SourceFailure extends Error {
  readonly reason: string;
  readonly condition: FailureKind;
  readonly stalled: boolean;
  constructor(reason: string, message: string, how: { readonly condition?: FailureKind; readonly stalled?: boolean } = {}) {
    super(message);
    this.name = 'SourceFailure';
    this.reason = reason;
    this.condition = how.condition ?? 'FetchFailed';
    this.stalled = how.stalled ?? false;
  }
}

/** The value of `reconcile.fluxcd.io/requestedAt`. */
export function requestedAt(object: KubeObject): string | undefined {
  return object.metadata.annotations?.['reconcile.fluxcd.io/requestedAt'];
}

/** Milliseconds of a Go duration such as `1m0s`, `90s` or `1h30m`. */
export function durationMs(text: string): number {
  const unit: Record<string, number> = { h: 3_600_000, m: 60_000, s: 1_000, ms: 1 };
  return [...text.matchAll(/([\d.]+)(ms|h|m|s)/g)].reduce((sum, [, number, name]) => sum + Number(number) * (unit[name ?? 's'] ?? 0), 0);
}

/** The status after a success, by merge patch; `artifact` is undefined where the one in the status is still right. */
export function storedStatus(object: SourceObject, reason: string, message: string, artifact: Artifact | undefined, more: object = {}): object {
  return statusOf(object, [['Ready', 'True', reason, message], ['ArtifactInStorage', 'True', reason, message]], { ...(artifact ? { artifact } : {}), ...more });
}

/** The status after a failure: Ready False, and what failed True, with the reason; an older artifact stays. */
export function failedStatus(object: SourceObject, failure: SourceFailure): object {
  const kept = object.status?.conditions?.find((condition) => condition.type === 'ArtifactInStorage');
  return statusOf(object, [
    ['Ready', 'False', failure.reason, failure.message],
    [failure.condition, 'True', failure.reason, failure.message],
    ...(failure.stalled ? [['Stalled', 'True', failure.reason, failure.message] as const] : []),
    ...(kept ? [['ArtifactInStorage', kept.status, kept.reason, kept.message] as const] : []),
  ], {});
}

type Said = readonly [type: string, status: SourceCondition['status'], reason: string, message: string];

function statusOf(object: SourceObject, said: readonly Said[], more: object): object {
  const observedGeneration = object.metadata.generation ?? 1;
  const conditions = said.map(([type, status, reason, message]): SourceCondition => {
    const before = object.status?.conditions?.find((condition) => condition.type === type && condition.status === status);
    return { type, status, reason, message, observedGeneration, lastTransitionTime: before?.lastTransitionTime ?? nowInSeconds() };
  });
  const handled = requestedAt(object);
  return { status: { observedGeneration, conditions, ...(handled === undefined ? {} : { lastHandledReconcileAt: handled }), ...more } };
}

/** Now, as metav1.Time writes it: whole seconds. */
export function nowInSeconds(): string {
  return new Date().toISOString().replace(/\.\d+Z$/, 'Z');
}
