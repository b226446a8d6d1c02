import { link, mkdtemp, readFile, rm } from 'node:fs/promises';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { parse } from 'yaml';
import { z } from 'zod';
import { problem } from '../lib/errors.ts';
import { readIfThere, syncFolder, writeWhole } from '../lib/files.ts';
import type { Host } from '../lib/host.ts';
import { recipientsIn, sopsDecrypt, sopsEncrypt } from '../lib/sops.ts';
import type { Cluster } from '../nodes/cluster.ts';
import { parseVersion, requireTalosctl } from './versions.ts';

/** The Talos secrets bundle, decrypted: CAs, keys and tokens that make the cluster's identity. `text` must never be printed. */
export type Bundle = {
  /** The bundle as `talosctl gen config --with-secrets` reads it (YAML). */
  readonly text: string;
  readonly clusterId: string;
  /** Certificates (PEM), which are public. */
  readonly osCa: string;
  readonly kubernetesCa: string;
};

/** Whether the bundle is there, and for whom it is encrypted. `missing` are the cluster's recipients that could not open it. */
export type BundleObservation =
  | { readonly kind: 'absent'; readonly path: string }
  | { readonly kind: 'there'; readonly path: string; readonly recipients: readonly string[]; readonly missing: readonly string[] };

const PAIR = z.object({ crt: z.string().min(1), key: z.string().min(1) });

/** siderolabs/talos:pkg/machinery/config/generate/secrets/bundle.go */
const SHAPE = z.object({
  cluster: z.object({ id: z.string().min(1), secret: z.string().min(1) }),
  secrets: z.object({ bootstraptoken: z.string().min(1), secretboxencryptionsecret: z.string().optional(), aescbcencryptionsecret: z.string().optional() })
    .refine((all) => all.secretboxencryptionsecret || all.aescbcencryptionsecret, 'no key for the encryption of Kubernetes Secrets'),
  trustdinfo: z.object({ token: z.string().min(1) }),
  certs: z.object({ etcd: PAIR, k8s: PAIR, k8saggregator: PAIR, k8sserviceaccount: z.object({ key: z.string().min(1) }), os: PAIR }),
});

/** Where the cluster keeps its encrypted bundle. */
function bundlePath(cluster: Cluster): string {
  return join(cluster.folder, 'secrets.sops.yaml');
}

/** Looks at the bundle's file without decrypting it. Throws `E_SOPS_PLAIN` when it lies there unencrypted. */
export async function observeBundle(_host: Host, cluster: Cluster): Promise<BundleObservation> {
  const path = bundlePath(cluster);
  const text = await readIfThere(path);
  if (text === undefined) return { kind: 'absent', path };
  const recipients = recipientsIn(text);
  if (recipients === undefined) {
    throw problem('E_SOPS_PLAIN', `${path} is not encrypted by sops`,
      'Never commit it like this. Encrypt it with `sops encrypt -i`; if it was ever pushed, the cluster’s secrets are known to others.', { where: { file: path } });
  }
  return { kind: 'there', path, recipients, missing: cluster.secrets.recipients.map((each) => each.key).filter((key) => !recipients.includes(key)) };
}

/**
 * Makes the cluster's secrets bundle, once: `talosctl gen secrets` into the scratch folder, encrypted for all recipients of the
 * cluster, plain file removed. Never replaces one (`E_BUNDLE_EXISTS`): a new bundle would be a new cluster, and etcd snapshots
 * of the old one unreadable. Throws `E_RECIPIENTS`, `E_TALOS_VERSION`, `E_SOPS_…` too.
 */
export async function makeBundle(host: Host, cluster: Cluster): Promise<void> {
  const path = bundlePath(cluster);
  if (await readIfThere(path) !== undefined) throw exists(path);
  await requireTalosctl(host, cluster.talos.version);
  const folder = await mkdtemp(join(host.scratch, 'bundle-'));
  const aside = `${path}.${randomBytes(6).toString('hex')}.new`;
  try {
    const plainPath = join(folder, 'secrets.yaml');
    await host.run({ program: 'talosctl', args: ['gen', 'secrets', '--talos-version', parseVersion(cluster.talos.version).text, '-o', plainPath], timeoutMs: 60_000 });
    const plain = await readFile(plainPath, 'utf8');
    register(host, plain);
    readBundle(plain, path);
    const text = await sopsEncrypt(host, { plain, path, recipients: cluster.secrets.recipients.map((each) => each.key) });
    await writeWhole(aside, text);
    await link(aside, path).catch((error: NodeJS.ErrnoException) => { throw error.code === 'EEXIST' ? exists(path) : error; });
    await syncFolder(cluster.folder);
  } finally {
    await rm(aside, { force: true });
    await rm(folder, { recursive: true, force: true });
  }
}

/** Decrypts the bundle, registers each of its secrets with the mask, and checks its shape. Throws `E_SOPS_…`, `E_BUNDLE_SHAPE`. */
export async function openBundle(host: Host, cluster: Cluster): Promise<Bundle> {
  const path = bundlePath(cluster);
  return bundleOf(host, await sopsDecrypt(host, path), path);
}

/** The same of a bundle's text in hand; `path` is only named in the error. Throws `E_BUNDLE_SHAPE`. */
export function bundleOf(host: Pick<Host, 'mask'>, text: string, path: string): Bundle {
  register(host, text);
  return readBundle(text, path);
}

function readBundle(text: string, path: string): Bundle {
  const read = SHAPE.safeParse(parse(text));
  if (!read.success) {
    const fields = read.error.issues.map((issue) => issue.path.join('.') || issue.message);
    throw problem('E_BUNDLE_SHAPE', `the secrets bundle lacks ${fields.join(', ')}`, 'Restore the last good version from the repository’s history.', { where: { file: path } });
  }
  const { cluster, certs } = read.data;
  return { text, clusterId: cluster.id, osCa: pem(certs.os.crt), kubernetesCa: pem(certs.k8s.crt) };
}

/** Every value but the certificates and the cluster's id is a secret; keys also in their PEM form, as later Talos configs carry them. */
function register(host: Pick<Host, 'mask'>, text: string): void {
  const walk = (value: unknown, name: string): void => {
    if (typeof value === 'object' && value !== null) for (const [key, each] of Object.entries(value)) walk(each, key);
    if (typeof value !== 'string' || name === 'crt' || name === 'id') return;
    host.mask.add(value);
    if (name === 'key') for (const line of pem(value).split('\n')) if (!line.startsWith('-----')) host.mask.add(line);
  };
  walk(parse(text), '');
}

function pem(base64: string): string {
  return Buffer.from(base64, 'base64').toString();
}

function exists(path: string): Error {
  return problem('E_BUNDLE_EXISTS', `${path} is there already`, 'It is the identity of the cluster and is made once; nothing was changed.', { where: { file: path } });
}
