/**
 * The passwords and keys a cluster needs, as decrypted from `credentials.sops.yaml` in the cluster's folder.
 * Every value is a secret: whoever decrypts it registers each with the host's mask first.
 */
export type Credentials = {
  /** The cluster's own age identity (`AGE-SECRET-KEY-1…`), put into the cluster as Secret sops-age. */
  readonly clusterIdentity?: string;
  readonly switchPassword?: string;
  readonly nasPassword?: string;
  /** Private key in OpenSSH format with which Flux and firstlight reach the git host. */
  readonly gitKey?: string;
  /** Private key with which firstlight logs in to the card reader's machine, where the owner's SSH agent has none for it. */
  readonly readerKey?: string;
  /** CHAP secret by LUN name, 12 to 16 characters (DSM's limits). */
  readonly chap: Readonly<Record<string, string>>;
  /** For mutual CHAP: the secret by which a LUN's target proves itself, by LUN name; never the same as the LUN's `chap`. */
  readonly mutualChap?: Readonly<Record<string, string>>;
};
