import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { join, normalize, relative, resolve } from 'node:path';
import { LineCounter, parseAllDocuments, stringify } from 'yaml';
import { z } from 'zod';
import { FirstlightError, ManyErrors, problem, type Where } from '../lib/errors.ts';
import { readIfThere, writeWhole } from '../lib/files.ts';
import type { Host } from '../lib/host.ts';

/** An object as Flux would apply it. `file` is where the repository declares it, as a path in it. */
export type BuiltManifest = { readonly object: Readonly<Record<string, unknown>>; readonly file: string | undefined };

const FluxKustomization = z.looseObject({
  apiVersion: z.string().startsWith('kustomize.toolkit.fluxcd.io/'),
  kind: z.literal('Kustomization'),
  spec: z.looseObject({
    path: z.string().optional(),
    sourceRef: z.looseObject({ kind: z.string(), name: z.string() }),
    targetNamespace: z.string().optional(),
    patches: z.array(z.unknown()).optional(),
    components: z.array(z.string()).optional(),
    postBuild: z.looseObject({ substitute: z.record(z.string(), z.string()).optional() }).optional(),
  }),
});

type Build = { readonly path: string; readonly extra: object; readonly substitute: Readonly<Record<string, string>> | undefined; readonly where: Where };

const LIST_NAMES = ['kustomization.yaml', 'kustomization.yml', 'Kustomization'];

/**
 * Everything that Flux would apply to a cluster from this repository: the folder `path` and what its Kustomizations name,
 * each built by the real `kubectl kustomize`. Kustomizations of other sources, and what Helm makes, are not in it.
 * `folder` is the repository's work tree; where it has no `path` yet, Flux's bootstrap will make it, and nothing is in it. Throws `E_GIT_LAYOUT` for a path that is not there, `E_MANIFESTS` with kustomize's words; several together.
 */
export async function builtManifests(host: Host, folder: string, path: string): Promise<readonly BuiltManifest[]> {
  if (!existsSync(join(folder, path))) return [];
  const built: BuiltManifest[] = [];
  const seen = new Set<string>();
  let wave: Build[] = [{ path, extra: {}, substitute: undefined, where: { file: path } }];
  while (wave.length > 0) {
    const fresh = wave.map((each) => ({ ...each, path: normalize(each.path).replace(/\/$/, '') })).filter((each) => {
      const key = JSON.stringify([each.path, each.extra, each.substitute]);
      return !seen.has(key) && seen.add(key);
    });
    const objects = await allOrEveryFault(fresh.map((each) => build(host, folder, each)));
    built.push(...objects);
    wave = objects.flatMap(({ object, file }): Build[] => {
      const read = FluxKustomization.safeParse(object);
      if (!read.success || read.data.spec.sourceRef.kind !== 'GitRepository' || read.data.spec.sourceRef.name !== 'flux-system') return [];
      const { spec } = read.data;
      const extra = { ...(spec.targetNamespace === undefined ? {} : { namespace: spec.targetNamespace }), ...(spec.patches === undefined ? {} : { patches: spec.patches }),
        ...(spec.components === undefined ? {} : { components: spec.components.map((each) => join(spec.path ?? '.', each)) }) };
      return [{ path: spec.path ?? '.', extra, substitute: spec.postBuild?.substitute, where: file === undefined ? {} : { file } }];
    });
  }
  return built;
}

async function allOrEveryFault(builds: readonly Promise<BuiltManifest[]>[]): Promise<BuiltManifest[]> {
  const ends = await Promise.allSettled(builds);
  const reasons = ends.flatMap((end): unknown[] => (end.status === 'rejected' ? [end.reason] : []));
  const faults = reasons.filter((reason) => reason instanceof FirstlightError);
  if (faults.length > 1) throw new ManyErrors('E_MANIFESTS', `${faults.length} folders of the GitOps repository can't be built`, 'Flux would fail the same way: mend each, and push.', faults);
  if (reasons.length > 0) throw faults[0] ?? reasons[0];
  return ends.flatMap((end) => (end.status === 'fulfilled' ? end.value : []));
}

/** Where in the repository a field of an object stands: file, line and column; the object's own place where the field comes from elsewhere (a patch). */
export async function placeOf(folder: string, { object, file }: BuiltManifest, path: readonly (string | number)[]): Promise<Where> {
  const text = file === undefined ? undefined : await readIfThere(join(folder, file));
  if (file === undefined || text === undefined) return {};
  const lines = new LineCounter();
  const name = (object['metadata'] as { name?: unknown } | undefined)?.name;
  const document = parseAllDocuments(text, { lineCounter: lines }).find((each) => each.get('kind') === object['kind'] && each.getIn(['metadata', 'name']) === name);
  if (!document) return { file };
  for (let depth = path.length; depth >= 0; depth -= 1) {
    const node = document.getIn(path.slice(0, depth), true) as { range?: readonly number[] } | undefined;
    if (node?.range?.[0] === undefined) continue;
    const { line, col } = lines.linePos(node.range[0]);
    return { file, line, col };
  }
  return { file };
}

async function build(host: Host, folder: string, { path, extra, substitute, where }: Build): Promise<BuiltManifest[]> {
  if (!existsSync(join(folder, path))) {
    throw problem('E_GIT_LAYOUT', `Flux is to apply ${path}, which the GitOps repository does not have`, 'Mend the Kustomization\'s path, or push the folder.', { where });
  }
  await mkdir(host.scratch, { recursive: true });
  const wrapper = await mkdtemp(join(host.scratch, 'build-'));
  try {
    const away = (name: string): string => relative(wrapper, resolve(folder, name));
    const { components, ...rest } = extra as { components?: readonly string[] };
    await writeWhole(join(wrapper, 'kustomization.yaml'), stringify({
      apiVersion: 'kustomize.config.k8s.io/v1beta1', kind: 'Kustomization', buildMetadata: ['originAnnotations'],
      resources: (await resourcesOf(folder, path)).map(away), ...rest, ...(components === undefined ? {} : { components: components.map(away) }),
    }));
    const done = await host.run({ program: 'kubectl', args: ['kustomize', '--load-restrictor=LoadRestrictionsNone', wrapper], timeoutMs: 120_000, accept: 'any' });
    if (done.exitCode !== 0) {
      const words = host.mask.hide(done.stderr).replaceAll(`${folder}/`, '').replaceAll(wrapper, path).trim().split('\n').slice(-3).join(' | ').slice(-800);
      throw problem('E_MANIFESTS', `kustomize can't build ${path}: ${words}`, `See \`kubectl kustomize ${path}\` in the repository; Flux would fail the same way.`, { where: { file: path } });
    }
    const text = substitute === undefined ? done.stdout : substituted(done.stdout, substitute);
    return parseAllDocuments(text).flatMap((document) => {
      const object = document.toJS() as Record<string, unknown> | null;
      return object === null ? [] : [{ object, file: originOf(object, wrapper, folder) }];
    });
  } finally {
    await rm(wrapper, { recursive: true, force: true });
  }
}

/** A folder with a kustomization.yaml, or what Flux makes one of: every manifest below, and folders that have their own list. */
async function resourcesOf(folder: string, path: string): Promise<string[]> {
  const entries = await readdir(join(folder, path), { withFileTypes: true });
  if (entries.some((entry) => LIST_NAMES.includes(entry.name))) return [path];
  const found = await Promise.all(entries.map(async (entry): Promise<string[]> => {
    const name = `${path}/${entry.name}`;
    if (entry.isDirectory()) return resourcesOf(folder, name);
    return /\.ya?ml$/.test(entry.name) && !entry.name.startsWith('.') ? [name] : [];
  }));
  return found.flat().sort();
}

/** What post-build substitution makes of a text (fluxcd/pkg: envsubst): `${name}` and `${name:=default}`. */
function substituted(text: string, values: Readonly<Record<string, string>>): string {
  return text.replace(/\$\{(\w+)(?::[=-]([^}]*))?\}/g, (whole, name: string, otherwise: string | undefined) => values[name] ?? otherwise ?? whole);
}

function originOf(object: Record<string, unknown>, wrapper: string, folder: string): string | undefined {
  const note = (object['metadata'] as { annotations?: Record<string, unknown> } | undefined)?.annotations?.['config.kubernetes.io/origin'];
  const path = /^path: (.+)$/m.exec(typeof note === 'string' ? note : '')?.[1];
  return path === undefined ? undefined : relative(folder, resolve(wrapper, path));
}
