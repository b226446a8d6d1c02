import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseDocument } from 'yaml';
import { problem } from '../lib/errors.ts';
import type { Host } from '../lib/host.ts';
import type { Cluster, ClusterNode } from '../nodes/cluster.ts';
import { builtInPatch, CARD } from './patches/built-in.ts';
import { patchFiles } from './patches/layers.ts';
import type { Bundle } from './secrets.ts';
import { parseVersion, requireTalosctl } from './versions.ts';

/** The installer image that the Image Factory makes of a schematic; `registry` is a host name, with a port where it has one. */
export function installImage(version: string, schematicId: string, registry = 'factory.talos.dev'): string {
  return `${registry}/metal-installer/${schematicId}:${parseVersion(version).text}`;
}

/**
 * A node's whole machine config as YAML, holding the cluster's secrets: what `talosctl gen config` makes of the bundle, then the
 * built-in patch, then the owner's patches (see `patchFiles`), each laid by `talosctl machineconfig patch`, checked by `talosctl
 * validate`. Secrets are on disk only in the scratch folder, for as long as it takes. The same input gives the same bytes.
 * Throws `E_TALOS_VERSION`, `E_PATCH_NAME`, `E_PATCH` (naming the file), `E_TALOS_INVALID_CONFIG`.
 */
export async function machineConfig(host: Host, cluster: Cluster, node: ClusterNode, bundle: Bundle, options: { readonly installImage: string }): Promise<string> {
  await requireTalosctl(host, cluster.talos.version);
  const own = await patchFiles(cluster, node);
  return inScratch(host, async (folder) => {
    const type = node.role === 'control plane' ? 'controlplane' : 'worker';
    let config = await generate(host, cluster, bundle, folder, type, ['--install-image', options.installImage, '--install-disk', CARD]);
    const builtIn = join(folder, 'built-in.yaml');
    await keep(builtIn, builtInPatch(cluster, node, options.installImage));
    for (const file of [builtIn, ...own]) config = await lay(host, folder, config, file, node);
    await validate(host, folder, config, node);
    return config;
  });
}

/**
 * The cluster's talosconfig (YAML, holds a client key, which is registered with the mask): one context named after the cluster,
 * endpoints are the control planes. A new client certificate each time, valid for a year.
 */
export async function talosconfig(host: Host, cluster: Cluster, bundle: Bundle): Promise<string> {
  await requireTalosctl(host, cluster.talos.version);
  const made = await inScratch(host, (folder) => generate(host, cluster, bundle, folder, 'talosconfig', []));
  const read = parseDocument(made);
  const key: unknown = read.getIn(['contexts', cluster.name, 'key']);
  if (typeof key !== 'string') throw problem('E_TALOS_OUTPUT', 'talosctl made a talosconfig without a client key', 'Run `firstlight tools` to fetch the pinned talosctl.');
  host.mask.add(key);
  for (const line of Buffer.from(key, 'base64').toString().split('\n')) if (!line.startsWith('-----')) host.mask.add(line);
  read.setIn(['contexts', cluster.name, 'endpoints'], cluster.nodes.filter((node) => node.role === 'control plane').map((node) => node.address));
  return read.toString({ lineWidth: 0 });
}

async function generate(host: Host, cluster: Cluster, bundle: Bundle, folder: string, type: string, more: readonly string[]): Promise<string> {
  const secrets = join(folder, 'secrets.yaml');
  await keep(secrets, bundle.text);
  const done = await host.run({
    program: 'talosctl',
    args: ['gen', 'config', cluster.name, cluster.network.endpoint, '--with-secrets', secrets,
      '--talos-version', parseVersion(cluster.talos.version).text, '--kubernetes-version', parseVersion(cluster.kubernetes.version).text.slice(1),
      '--with-docs=false', '--with-examples=false', '-t', type, '-o', '-', ...more],
  });
  return done.stdout;
}

async function lay(host: Host, folder: string, config: string, file: string, node: ClusterNode): Promise<string> {
  const base = join(folder, 'base.yaml');
  await keep(base, config);
  const done = await host.run({ program: 'talosctl', args: ['machineconfig', 'patch', base, '-p', `@${file}`], accept: 'any' });
  if (done.exitCode === 0) return done.stdout;
  throw problem('E_PATCH', `talosctl can't lay ${file} over the config of ${node.name}: ${words(host, done.stderr)}`,
    'Mend the patch. It is laid by merging: lists grow, `$patch: delete` removes, and one file may touch a document only once.', { where: { file, node: node.name } });
}

async function validate(host: Host, folder: string, config: string, node: ClusterNode): Promise<void> {
  const path = join(folder, 'final.yaml');
  await keep(path, config);
  const done = await host.run({ program: 'talosctl', args: ['validate', '-c', path, '-m', 'metal'], accept: 'any' });
  if (done.exitCode === 0) return;
  throw problem('E_TALOS_INVALID_CONFIG', `the config of ${node.name} is not valid: ${words(host, done.stderr)}`,
    'A patch in the cluster’s patches/ folder made it so: mend what is named.', { where: { node: node.name } });
}

async function inScratch<T>(host: Host, work: (folder: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(host.scratch, 'config-'));
  try {
    return await work(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function keep(path: string, text: string): Promise<void> {
  await writeFile(path, text, { mode: 0o600 });
}

function words(host: Host, stderr: string): string {
  return host.mask.hide(stderr).trim().replace(/\s*\n\s*/g, ' ').slice(0, 600);
}
