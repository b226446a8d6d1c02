import { join } from 'node:path';
import { archiveTree, fetchRef, type Checkout, type GitRef } from './git-checkout.ts';
import type { SourceContext, SourceKind } from './kinds.ts';
import { durationMs, SourceFailure, storedStatus, type SourceObject } from './status.ts';
import { artifactPath } from './storage.ts';

/** A GitRepository (fluxcd/source-controller:api/v1) as far as the stand-in reads it. */
export type GitRepository = SourceObject & {
  readonly spec: {
    readonly url: string;
    readonly ignore?: string;
    readonly secretRef?: { readonly name: string };
    readonly ref?: { readonly branch?: string; readonly tag?: string; readonly semver?: string; readonly name?: string; readonly commit?: string };
  };
};

/** What the stand-in leaves out of the real contract; using one is told as a failure, never passed over. */
const UNKNOWN = ['verify', 'recurseSubmodules', 'include', 'provider', 'proxySecretRef', 'sparseCheckout', 'serviceAccountName'];

/** GitRepositories: fetched with real git and ssh, stored as a tar.gz per commit, as gitrepository_controller.go does. */
export const gitRepositories: SourceKind<GitRepository> = {
  kind: 'GitRepository',
  plural: 'gitrepositories',
  reconcile: async (context, object) => {
    const { namespace, name } = object.metadata;
    const checkout = await checkoutOf(context, object, join(context.folder, 'checkouts', `${namespace}.${name}`));
    const { commit, revision } = await fetchRef(checkout).catch((error: Error) => {
      throw new SourceFailure('GitOperationFailed', `failed to checkout and determine revision: unable to clone '${object.spec.url}': ${error.message}`);
    });
    const path = artifactPath('gitrepository', object, `${commit}.tar.gz`);
    const held = context.storage.holds(object, path, revision);
    const artifact = held ? undefined : await context.storage.store(path, revision, (file) => archiveTree(checkout, commit, file));
    return storedStatus(object, 'Succeeded', `stored artifact for revision '${revision}'`, artifact);
  },
};

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

async function checkoutOf({ client, path, signal }: SourceContext, object: GitRepository, folder: string): Promise<Checkout> {
  const { url, secretRef, timeout, ignore } = object.spec;
  const common = { path, signal, url, ref: refOf(object), folder, timeoutMs: durationMs(timeout ?? '60s'), ...(ignore === undefined ? {} : { ignore }) };
  if (!url.startsWith('ssh://')) {
    if (secretRef === undefined) return common;
    throw new SourceFailure('AuthenticationFailed', `the lab's source stand-in knows credentials for ssh only, not for '${url}'`);
  }
  const { namespace } = object.metadata;
  const secret = secretRef && await client.get<{ data?: Record<string, string> }>(`/api/v1/namespaces/${namespace}/secrets/${secretRef.name}`).catch((error: Error) => {
    throw new SourceFailure('AuthenticationFailed', `failed to get secret '${namespace}/${secretRef.name}': ${error.message}`);
  });
  const value = (key: string): string => Buffer.from(secret?.data?.[key] ?? '', 'base64').toString();
  const missing = ['identity', 'known_hosts'].filter((key) => value(key) === '');
  if (missing.length > 0) throw new SourceFailure('AuthenticationFailed', `invalid 'ssh' auth option: '${missing.join("' and '")}' is required`);
  return { ...common, ssh: { identity: value('identity'), knownHosts: value('known_hosts') } };
}
