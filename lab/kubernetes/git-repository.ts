import type { KubeObject } from './client.ts';
import type { Archive, Fetched, GitRef } from './git-checkout.ts';

/** A condition as source-controller writes it. */
export type SourceCondition = {
  readonly type: string;
  readonly status: 'True' | 'False' | 'Unknown';
  readonly reason: string;
  readonly message: string;
  readonly observedGeneration: number;
  readonly lastTransitionTime: string;
};

/** A GitRepository (fluxcd/source-controller:api/v1) as far as the stand-in reads it. */
export type GitRepository = KubeObject & {
  readonly spec: {
    readonly url: string;
    readonly interval: string;
    readonly timeout?: string;
    readonly suspend?: boolean;
    readonly ignore?: string;
    readonly secretRef?: { readonly name: string };
    readonly ref?: { readonly branch?: string; readonly tag?: string; readonly semver?: string; readonly name?: string; readonly commit?: string };
    readonly [key: string]: unknown;
  };
  readonly status?: {
    readonly observedGeneration?: number;
    readonly artifact?: { readonly revision: string; readonly path: string; readonly url: string };
    readonly conditions?: readonly SourceCondition[];
    readonly lastHandledReconcileAt?: string;
  };
};

/** A failure with the reason that source-controller gives it. */
export class SourceFailure extends Error {
  readonly reason: string;
  constructor(reason: string, message: string) {
    super(message);
    this.name = 'SourceFailure';
    this.reason = reason;
  }
}

/** What the stand-in leaves out of the real contract; using one is told as a failure, never passed over. */
const UNKNOWN = ['verify', 'recurseSubmodules', 'include', 'provider', 'proxySecretRef', 'sparseCheckout', 'serviceAccountName'];

/** The ref to fetch, with source-controller's order of precedence. Throws SourceFailure for what the stand-in does not do. */
export function refOf({ spec }: GitRepository): GitRef {
  const ref = spec.ref ?? {};
  const unknown = UNKNOWN.filter((name) => spec[name] !== undefined && spec[name] !== false && !(name === 'provider' && spec[name] === 'generic'));
  if (ref.semver !== undefined) unknown.push('ref.semver');
  if (unknown.length > 0) throw new SourceFailure('GitOperationFailed', `the lab's source stand-in does not know spec.${unknown.join(', spec.')}`);
  if (ref.commit !== undefined) return { kind: 'commit', value: ref.commit, ...(ref.branch === undefined ? {} : { branch: ref.branch }) };
  if (ref.name !== undefined) return { kind: 'name', value: ref.name };
  if (ref.tag !== undefined) return { kind: 'tag', value: ref.tag };
  return { kind: 'branch', value: ref.branch ?? 'master' };
}

/** Where an artifact lies below the storage, and below the server's root. */
export function artifactPath({ metadata }: GitRepository, commit: string): string {
  return `gitrepository/${metadata.namespace}/${metadata.name}/${commit}.tar.gz`;
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

/** The status after a success, by merge patch; `stored` is undefined where the artifact in the status is still right. */
export function storedStatus(object: GitRepository, fetched: Fetched, stored: { path: string; url: string; archive: Archive } | undefined): object {
  const message = `stored artifact for revision '${fetched.revision}'`;
  const artifact = stored && {
    path: stored.path, url: stored.url, revision: fetched.revision, digest: stored.archive.digest, size: stored.archive.size, lastUpdateTime: nowInSeconds(),
  };
  return statusOf(object, [['Ready', 'True', 'Succeeded', message], ['ArtifactInStorage', 'True', 'Succeeded', message]], artifact ? { artifact } : {});
}

/** The status after a failure: Ready False and FetchFailed (or StorageOperationFailed) True with the reason; an older artifact stays. */
export function failedStatus(object: GitRepository, failure: SourceFailure): object {
  const kept = object.status?.conditions?.find((condition) => condition.type === 'ArtifactInStorage');
  return statusOf(object, [
    ['Ready', 'False', failure.reason, failure.message],
    [failure.reason === 'ArchiveOperationFailed' ? 'StorageOperationFailed' : 'FetchFailed', 'True', failure.reason, failure.message],
    ...(kept ? [['ArtifactInStorage', kept.status, kept.reason, kept.message] as const] : []),
  ], {});
}

type Said = readonly [type: string, status: SourceCondition['status'], reason: string, message: string];

function statusOf(object: GitRepository, said: readonly Said[], more: object): object {
  const observedGeneration = object.metadata.generation ?? 1;
  const conditions = said.map(([type, status, reason, message]): SourceCondition => {
    const before = object.status?.conditions?.find((condition) => condition.type === type && condition.status === status);
    return { type, status, reason, message, observedGeneration, lastTransitionTime: before?.lastTransitionTime ?? nowInSeconds() };
  });
  const handled = requestedAt(object);
  return { status: { observedGeneration, conditions, ...(handled === undefined ? {} : { lastHandledReconcileAt: handled }), ...more } };
}

/** metav1.Time has whole seconds. */
function nowInSeconds(): string {
  return new Date().toISOString().replace(/\.\d+Z$/, 'Z');
}
