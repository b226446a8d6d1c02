import type { Host } from '../../lib/host.ts';
import type { ObjectCount } from '../../talos/snapshot-contents.ts';

/** The format that this firstlight writes; it reads this one and all before it. */
export const FORMAT = 1;

/** The parts of an archive, by their names in it. Machine configs are `machines/<node>.yaml`, the cluster's folder lies under `cluster/`. */
export const ENTRY = {
  /** The etcd snapshot, as etcd gave it: database and digest. */
  snapshot: 'etcd.snapshot',
  /** The Talos secrets bundle in the clear, as `talosctl gen config --with-secrets` reads it. */
  bundle: 'bundle.yaml',
  /** `StorageView`: every LUN with its targets, and the volume and claim on it. */
  storage: 'storage.json',
  /** `FluxRecord`: what each of Flux's objects had applied. */
  flux: 'flux.json',
  /** `VaultRecord`: names and versions of the vault's secrets, no values. */
  vault: 'vault.json',
  /** The GitOps repository's branch with its whole history, as `git clone` reads it. */
  repository: 'repository.bundle',
  /** The cluster's folder: cluster.yaml, firstlight.lock.yaml, patches, both encrypted files, authorities. */
  cluster: 'cluster/',
  machines: 'machines/',
} as const;

/** One entry: its name, bytes, and SHA-256 in hex. */
export type Entry = { readonly name: string; readonly bytes: number; readonly sha256: string };

/** Whom an archive is encrypted for; `key` is the age recipient. */
export type ArchiveRecipient = { readonly name: string; readonly role: 'cluster' | 'owner' | 'offline'; readonly key: string };

/** What the snapshot was proven to hold when it was taken. `bundle` says that its Secrets open with the archive's bundle (`decrypt`), lie in the clear, or that there is none. */
export type EtcdRecord = {
  readonly node: string;
  readonly revision: number;
  readonly hash: string;
  readonly keys: number;
  readonly objects: readonly ObjectCount[];
  readonly bundle: 'decrypt' | 'plain' | 'none';
  readonly nodes: readonly string[];
  /** The uid of the namespace kube-system. */
  readonly uid?: string;
};

/** A part that could not be had, and why: such a backup is made all the same, and says so. */
export type MissingPart = { readonly part: string; readonly why: string };

/** What an archive says of itself, signed. Times are ISO 8601, UTC; at `at` the snapshot was begun. */
export type Manifest = {
  readonly format: number;
  readonly cluster: string;
  /** The id in the Talos secrets bundle. */
  readonly clusterId: string;
  readonly at: string;
  readonly recipients: readonly ArchiveRecipient[];
  /** SHA-256 (hex) of the age header, which holds who can decrypt: an archive encrypted anew for others is noticed by it. */
  readonly header: string;
  /** The public half of the key that signed, 32 bytes in base64url. */
  readonly signer: string;
  readonly etcd: EtcdRecord;
  readonly git?: { readonly url: string; readonly branch: string; readonly revision: string };
  /** Versions of what made the backup and of what it is of, by name: firstlight, talos, kubernetes, talosctl, … */
  readonly versions: Readonly<Record<string, string>>;
  readonly missing: readonly MissingPart[];
  /** All entries but the manifest and its signature, in the archive's order. */
  readonly entries: readonly Entry[];
};

/** An archive that was opened: decrypted, signature and every entry proven. What it holds lies in the clear in a private folder, which its user removes. */
export type Archive = {
  /** The file it came from, its bytes, and its SHA-256 in hex. */
  readonly file: string;
  readonly bytes: number;
  readonly sha256: string;
  readonly manifest: Manifest;
  /** Whether the signer is the one that was expected, or nobody said which to expect. */
  readonly signer: 'pinned' | 'unknown';
  /** Absolute path of an entry's file (0600); undefined where the archive has none of that name. */
  path(entry: string): string | undefined;
  /** Names of the entries that begin so, in order. */
  names(prefix: string): readonly string[];
};

/**
 * What opening an archive needs: the age identities to try (`AGE-SECRET-KEY-1…`), a folder to open it into (made, 0700; in host.scratch, for
 * what comes out is secret), and what it must be: of which cluster, signed by which key (`backup.signer` of the lock file).
 */
export type OpenOptions = { readonly identities: readonly string[]; readonly folder: string; readonly cluster?: string; readonly signer?: string };

/**
 * Decrypts an archive and proves it, all but its snapshot by a restore: the signature before anything else is read, then every entry against the
 * signed manifest. Throws `E_ARCHIVE_…`, each of which is a refusal of the file with its reason; nothing is left in the folder then.
 */
export type OpenArchive = (host: Host, file: string, options: OpenOptions) => Promise<Archive>;

/** What of Flux was applied: of each of its objects, the revision and whether it was Ready or suspended. */
export type FluxRecord = { readonly objects: readonly FluxObject[] };

/** `kind` is GitRepository, Kustomization, HelmRelease, …; `revision` as Flux writes it (`main@sha1:…`, a chart's version). */
export type FluxObject = { readonly kind: string; readonly namespace: string; readonly name: string; readonly revision?: string; readonly ready: boolean; readonly suspended: boolean };

/** The vault's secrets without their values; `version` is absent where the vault did not tell it, and `why` says so. */
export type VaultRecord = { readonly url: string; readonly secrets: readonly { readonly name: string; readonly version?: string; readonly created?: string; readonly why?: string }[] };

/** The file's name: `gandalf-20261123T072500Z.firstlight`. `at` in milliseconds since 1970. */
export function archiveName(cluster: string, at: number): string {
  return `${cluster}-${new Date(at).toISOString().replace(/\.\d+Z$/, 'Z').replaceAll(/[-:]/g, '')}.firstlight`;
}
