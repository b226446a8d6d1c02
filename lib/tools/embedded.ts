import { chmod, cp, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parse, stringify } from 'yaml';
import { problem } from '../errors.ts';
import type { Host } from '../host.ts';
import { runGo, type Go } from './go.ts';
import type { Build } from './pins.ts';

type Embedded = NonNullable<Build['embedded']>;

/**
 * Makes a folder from which the flux CLI can be built: its module, copied, with the manifests it embeds. The module's
 * release adds those (fluxcd/flux2:manifests/scripts/bundle.sh): per controller the CRDs and the deployment of the
 * controller's own repository, through manifests/bases/<controller>; then manifests/rbac and manifests/policies.
 * Here the controllers come as Go modules with known sums. Returns the folder. Throws `E_TOOL_BUILD`, or what `Host.run` throws.
 */
export async function prepareEmbedded(host: Host, go: Go, module: string, embedded: Embedded, folder: string, kubectl: string): Promise<string> {
  const main = await fetchModule(host, go, module, embedded.module);
  await rm(folder, { recursive: true, force: true });
  await cp(main.Dir, folder, { recursive: true });
  await makeWritable(folder);
  const made = join(folder, 'cmd', 'flux', 'manifests');
  await mkdir(made, { recursive: true });
  const kustomize = async (path: string): Promise<string> => (await host.run({ program: kubectl, args: ['kustomize', path], timeoutMs: 60_000 })).stdout;
  for (const { module: path, version, sum } of embedded.controllers) {
    const controller = await fetchModule(host, go, folder, `${path}@v${version}`);
    if (controller.Sum !== sum) throw problem('E_TOOL_BUILD', `${path} ${version} has the sum ${controller.Sum}, not ${sum}`, 'The module was changed at its source: do not trust it.');
    const name = path.split('/').at(-1) ?? path;
    const base = join(folder, 'manifests', 'bases', name);
    await writeFile(join(base, `${name}.crds.yaml`), await kustomize(join(controller.Dir, 'config', 'crd')));
    await writeFile(join(base, `${name}.deployment.yaml`), await kustomize(join(controller.Dir, 'config', 'manager')));
    await useLocal(join(base, 'kustomization.yaml'), version);
    await writeFile(join(made, `${name}.yaml`), await kustomize(base));
  }
  for (const name of ['rbac', 'policies']) await writeFile(join(made, `${name}.yaml`), await kustomize(join(folder, 'manifests', name)));
  return folder;
}

type Module = { readonly Dir: string; readonly Sum: string };

async function fetchModule(host: Host, go: Go, cwd: string, module: string): Promise<Module> {
  return JSON.parse(await runGo(host, go, cwd, ['mod', 'download', '-json', module])) as Module;
}

/** In a base's kustomization, takes released files (by URL, of this version) from beside it instead. */
async function useLocal(file: string, version: string): Promise<void> {
  const kustomization = parse(await readFile(file, 'utf8')) as { resources: string[] };
  kustomization.resources = kustomization.resources.map((resource) => {
    if (!resource.includes('://')) return resource;
    if (!resource.includes(`/v${version}/`)) throw problem('E_TOOL_BUILD', `flux asks for ${resource}, not for version ${version}`, 'Make the versions in tools.lock.yaml fit each other.');
    return resource.split('/').at(-1) ?? resource;
  });
  await writeFile(file, stringify(kustomization));
}

/** Go keeps modules read-only; a copy must be writable to be changed and removed. */
async function makeWritable(folder: string): Promise<void> {
  await chmod(folder, 0o755);
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) await makeWritable(path);
    else if (entry.isFile()) await chmod(path, 0o644);
  }
}
