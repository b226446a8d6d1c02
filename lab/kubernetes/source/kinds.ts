import type { KubeClient } from '../client.ts';
import type { SourceStorage } from './storage.ts';
import type { SourceObject } from './status.ts';

/** What reconcilers work with. `folder` is the stand-in's own; `path` is the PATH on which git, ssh and tar are found. */
export type SourceContext = {
  readonly client: KubeClient;
  readonly folder: string;
  readonly path: string;
  readonly storage: SourceStorage;
  readonly signal: AbortSignal;
};

/** A kind of source: its resource name, and how one object of it is reconciled. */
export type SourceKind<T extends SourceObject = SourceObject> = {
  readonly kind: string;
  readonly plural: string;
  /** Gives the status to write, or undefined where the real controller leaves the object alone. Throws SourceFailure. */
  reconcile(context: SourceContext, object: T): Promise<object | undefined>;
};

/** The path under which all objects of a kind are listed, or those of a namespace, or one of them. */
export function sourcePath(plural: string, namespace?: string, name?: string): string {
  const group = '/apis/source.toolkit.fluxcd.io/v1';
  return namespace === undefined ? `${group}/${plural}` : `${group}/namespaces/${namespace}/${plural}${name === undefined ? '' : `/${name}`}`;
}
