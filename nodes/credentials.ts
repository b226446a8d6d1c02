/**
 * The passwords and keys a cluster needs, as decrypted from `credentials.sops.yaml` in the cluster's folder.
 * Every value is a secret: whoever decrypts it registers each with the host's mask first.
 */
export type Credentials = {
  /** The cluster's own age identity (`AGE-SECRET-KEY-1…`), put into the cluster as Secret sops-age. */
  readonly clusterIdentity?: string;
  /** The identity that takes its place, while a rotation is under way: the cluster holds both until Flux has followed. */
  readonly nextClusterIdentity?: string;
  /** Since when clusterIdentity is the cluster's (ISO date and time); no secret. */
  readonly clusterIdentitySince?: string;
  readonly switchPassword?: string;
  readonly nasPassword?: string;
  /** Private key in OpenSSH format with which Flux and firstlight reach the git host. */
  readonly gitKey?: string;
  /** Private key with which firstlight logs in to the card reader's machine, where the owner's SSH agent has none for it. */
  readonly readerKey?: string;
  /** Secret of the service principal that reads the vault. */
  readonly vaultClientSecret?: string;
  /** Private half of the key that signs backups (PKCS 8 DER in base64), made at the first one; the public half is pinned in the lock file. */
  readonly backupKey?: string;
  /** What the places for backups ask for, by place name: password or privateKey for SFTP, both keys for a bucket. */
  readonly places?: Readonly<Record<string, PlaceSecrets>>;
  /** CHAP secret by LUN name, 12 to 16 characters (DSM's limits). */
  readonly chap: Readonly<Record<string, string>>;
  /** For mutual CHAP: the secret by which a LUN's target proves itself, by LUN name; never the same as the LUN's `chap`. */
  readonly mutualChap?: Readonly<Record<string, string>>;
};

/** See `Credentials.places`. */
export type PlaceSecrets = { readonly password?: string; readonly privateKey?: string; readonly accessKeyId?: string; readonly secretAccessKey?: string };

/** The identities the cluster should hold: its own, and during a rotation the next one too. */
export function clusterIdentities(credentials: Pick<Credentials, 'clusterIdentity' | 'nextClusterIdentity'>): readonly string[] {
  return [credentials.clusterIdentity, credentials.nextClusterIdentity].flatMap((identity) => (identity ? [identity.trim()] : []));
}
