import { readdir, readFile } from 'node:fs/promises';
import { join, posix } from 'node:path';
import { readIfThere } from '../lib/files.ts';
import type { Gitops } from '../nodes/cluster.ts';
import { COMPONENTS, plainPath } from './flux-state.ts';

/** What a bootstrap left in a repository, in `<path>/flux-system`: the controllers' and the sync's manifests, or fewer. */
export type FluxManifests = {
  /** Absolute, of the clone. */
  readonly folder: string;
  readonly components: string;
  readonly sync: string;
  /** Whether a kustomization.yaml says how they go together, with its owner's patches. */
  readonly kustomized: boolean;
  /** `v2.9.5`. */
  readonly version: string;
  /** Names of the controllers, as the header lists them. */
  readonly names: readonly string[];
};

/** What else Flux consists of, by the API group whose objects need it; the extra ones are no part of a plain installation. */
const OPTIONAL = [
  { group: 'notification.toolkit.fluxcd.io', names: ['notification-controller'], extra: false },
  { group: 'image.toolkit.fluxcd.io', names: ['image-reflector-controller', 'image-automation-controller'], extra: true },
  { group: 'source.extensions.fluxcd.io', names: ['source-watcher'], extra: true },
] as const;

/** The manifests of Flux that the repository at `root` has for this cluster; undefined where it has none, or such as only hold their places. */
export async function readFluxManifests(root: string, gitops: Pick<Gitops, 'path'>): Promise<FluxManifests | undefined> {
  const folder = join(root, gitops.path, 'flux-system');
  const [components, sync, kustomization] = await Promise.all(['gotk-components.yaml', 'gotk-sync.yaml', 'kustomization.yaml'].map((name) => readIfThere(join(folder, name))));
  if (!components || !sync || !/^kind: CustomResourceDefinition$/m.test(components) || !/^kind: GitRepository$/m.test(sync)) return undefined;
  // The header is that of `flux install --export` (fluxcd/flux2: pkg/manifestgen/install/templates.go); the label is on every object.
  const version = /^# Flux Version: (v\S+)$/m.exec(components)?.[1] ?? /app\.kubernetes\.io\/version: (v\S+)/.exec(components)?.[1];
  if (version === undefined) return undefined;
  const names = /^# Components: (\S+)$/m.exec(components)?.[1]?.split(',') ?? [];
  return { folder, components, sync, kustomized: kustomization !== undefined, version, names };
}

/**
 * The controllers to install: firstlight's three, those that the repository's manifests have already (a bootstrap without them would
 * take them away), and those whose objects the repository declares for this cluster. `extra` goes to `--components-extra`.
 */
export async function wantedComponents(root: string, gitops: Pick<Gitops, 'path'>, there: readonly string[]): Promise<{ readonly plain: readonly string[]; readonly extra: readonly string[] }> {
  const texts = await manifestTexts(root, plainPath(gitops.path));
  const declared = new Set(texts.flatMap((text) => [...text.matchAll(/^apiVersion: *["']?([\w.-]+)\//gm)].map((match) => match[1])));
  const chosen = OPTIONAL.filter(({ group, names }) => declared.has(group) || names.some((name) => there.includes(name)));
  const named = (extra: boolean): string[] => chosen.filter((each) => each.extra === extra).flatMap((each) => [...each.names]);
  return { plain: [...COMPONENTS, ...named(false)], extra: named(true) };
}

/** Every YAML file of the repository that may be for this cluster: not those below other clusters' folders, nor what a bootstrap wrote. */
async function manifestTexts(root: string, path: string): Promise<string[]> {
  const clusters = posix.dirname(path);
  const mine = (file: string): boolean => !file.startsWith('.') && !file.startsWith('machines/') && !file.includes('/flux-system/')
    && (clusters === '.' || !file.startsWith(`${clusters}/`) || file.startsWith(`${path}/`));
  const files = (await readdir(root, { recursive: true, withFileTypes: true }))
    .filter((entry) => entry.isFile() && /\.ya?ml$/.test(entry.name))
    .map((entry) => posix.relative(root, join(entry.parentPath, entry.name)))
    .filter(mine);
  return Promise.all(files.map((file) => readFile(join(root, file), 'utf8')));
}
