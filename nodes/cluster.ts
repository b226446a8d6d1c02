/**
 * A cluster as its owner declared it: `cluster.yaml` after validation. Immutable; addresses are dotted IPv4, sizes are bytes.
 * Sections that a cluster may lack are undefined, and every step of that section then does not exist.
 */
export type Cluster = {
  /** Absolute path of the folder `machines/<cluster>/`. */
  readonly folder: string;
  /** Absolute path of the homelab repository's work tree (the folder above `machines/`). */
  readonly repository: string;
  readonly name: string;
  readonly environment: string;
  /** `image` is the absolute path of an image given by hand, in place of the factory's; `workloadIsolation` is what the owner told of it (see `workloadsIsolated`). */
  readonly talos: { readonly version: string; readonly schematic: Schematic; readonly factory: string; readonly image?: string; readonly workloadIsolation?: boolean };
  readonly kubernetes: { readonly version: string };
  readonly network: Network;
  readonly nodes: readonly ClusterNode[];
  readonly power?: PowerSwitch;
  readonly reader?: CardReader;
  readonly nas?: Nas;
  readonly gitops?: Gitops;
  readonly vault?: Vault;
  readonly backup: Backup;
  readonly rehearsal?: RehearsalWish;
  readonly secrets: Secrets;
};

/** The role a node plays; Talos calls them machine types `controlplane` and `worker`. */
export type Role = 'control plane' | 'worker';

/** One machine. `card` and `port` are what the owner knows of its microSD card and its port on the PoE switch. */
export type ClusterNode = {
  readonly name: string;
  readonly role: Role;
  /** Lower case, colons. */
  readonly mac: string;
  readonly address: string;
  /** How the board proves which it is (tenet 3). */
  readonly proof: 'stamp' | 'mac';
  /** Where the card is written: a block device by-id path or a file; may be given at the command instead. */
  readonly card?: { readonly device?: string; readonly serial?: string };
  readonly port?: number;
  readonly labels: Readonly<Record<string, string>>;
  /** What its pods may take of its memory together, in bytes; undefined for what suits its role. */
  readonly memory?: number;
};

/** The cluster's network. `endpoint` is the Kubernetes API's URL, `https://address:6443`. */
export type Network = {
  /** CIDR, `192.168.77.0/24`. */
  readonly subnet: string;
  readonly gateway: string;
  readonly dns: readonly string[];
  readonly ntp: readonly string[];
  readonly endpoint: string;
  /** Where a board has its address from before its first config: the network's DHCP server, or META of its card. */
  readonly maintenance: 'dhcp' | 'static';
};

/** What the Image Factory builds for these boards (domain.md 1.3). No secrets: a schematic is public. */
export type Schematic = {
  readonly overlay: { readonly image: string; readonly name: string; readonly configTxtAppend?: string };
  readonly extensions: readonly string[];
  readonly kernelArgs: readonly string[];
};

/**
 * The PoE switch, spoken to over SSH. `hostKey` is OpenSSH's `SHA256:…` fingerprint; `portName` what the switch calls its port `{port}`,
 * where it is not what the driver takes for granted; `commands` those of the driver `custom`.
 */
export type PowerSwitch = {
  readonly address: string;
  readonly sshPort: number;
  readonly user: string;
  readonly hostKey: string;
  readonly driver: string;
  readonly portName?: string;
  readonly commands?: PowerCommands;
};

/**
 * How a switch without a driver is spoken to, as `PowerDriver` has it. With `prompt` the lines are typed at that prompt, else each is a
 * command of its own. `samples` are what `show` printed for one port while it was on and while it was off.
 */
export type PowerCommands = {
  readonly on: string;
  readonly off: string;
  readonly show: string;
  readonly isOn: string;
  readonly isOff: string;
  readonly status?: string;
  readonly prompt?: string;
  readonly refused?: string;
  readonly samples?: { readonly port: number; readonly on: string; readonly off: string };
};

/** The machine whose card readers the cards are written in, where it is not this one. `hostKey` is OpenSSH's `SHA256:…` fingerprint. */
export type CardReader = { readonly user: string; readonly host: string; readonly port: number; readonly hostKey: string };

/** The Synology: DSM web API and iSCSI. The password is in the encrypted credentials, never here. */
export type Nas = {
  readonly address: string;
  readonly https: boolean;
  readonly port: number;
  /** SHA-256 of the DSM certificate in hex (colons allowed), for https with a self-signed certificate. */
  readonly certificate?: string;
  /** Absolute path of the PEM file with the authority that signed DSM's certificate. */
  readonly ca?: string;
  readonly user: string;
  readonly iscsiPort: number;
  readonly volume: string;
  readonly luns: readonly Lun[];
};

/**
 * One LUN and its target; `user` is the CHAP user, the CHAP secret is in the encrypted credentials. With `uuid` it is that
 * very LUN, never made anew; with `mutualUser` the target proves itself too (mutual CHAP, its secret in the credentials).
 */
export type Lun = {
  readonly name: string;
  readonly bytes: number;
  readonly iqn: string;
  readonly user: string;
  readonly uuid?: string;
  readonly mutualUser?: string;
  /** The PersistentVolumeClaim that the LUN is for, and its file system. */
  readonly claim?: Claim;
};

/** A PersistentVolumeClaim that a LUN is kept for; the file system is made only where the LUN is empty. */
export type Claim = { readonly namespace: string; readonly name: string; readonly fsType: 'ext4' | 'xfs' };

/** The GitOps repository that Flux reads. `url` is `ssh://user@host[:port]/path`; `hostKey` a known_hosts line without the host (`ssh-ed25519 AAAA…`). */
export type Gitops = {
  readonly url: string;
  readonly branch: string;
  /** Folder in the repository for this cluster, `clusters/gandalf`. */
  readonly path: string;
  readonly hostKey: string;
  /** The git host's REST API, for a host that is not github.com or gitlab.com. */
  readonly host?: GitHost;
};

/** A git host with a REST API: which product's, and its base address without a slash at the end (`https://git.example.com/api/v1`). */
export type GitHost = { readonly kind: GitHostKind; readonly api: string };

/** The products whose REST API firstlight speaks; Forgejo's is Gitea's. */
export type GitHostKind = 'github' | 'gitlab' | 'gitea';

/** The Azure Key Vault that External Secrets reads as a service principal, whose secret is in the encrypted credentials. URLs have no path. */
export type Vault = {
  readonly url: string;
  readonly tenant: string;
  readonly clientId: string;
  readonly authority: string;
  /** Absolute path of the PEM file with the authority that signed the certificates of vault and log-in. */
  readonly ca?: string;
  readonly secrets: readonly StoredSecret[];
};

/**
 * A secret value with the store that it belongs in. `name` is its name in the vault; it becomes `key` of the Kubernetes Secret
 * `namespace/secret`, by the manifest `<path>.sops.yaml` or `<path>.external.yaml` of the GitOps repository.
 */
export type StoredSecret = {
  readonly name: string;
  readonly store: 'vault' | 'sops';
  readonly path: string;
  readonly namespace: string;
  readonly secret: string;
  readonly key: string;
};

/** Where backups go, and how many stay in each place: the last ones, and the newest of each of so many days, ISO weeks and months. */
export type Backup = { readonly places: readonly BackupPlace[]; readonly keep: { readonly last: number; readonly daily: number; readonly weekly: number; readonly monthly: number } };

/** A place for backups. Passwords and keys are in the encrypted credentials, under its name. Paths are absolute; `make` says that a missing folder is made. */
export type BackupPlace =
  | { readonly kind: 'folder'; readonly name: string; readonly path: string; readonly make: boolean }
  | { readonly kind: 'sftp'; readonly name: string; readonly user: string; readonly host: string; readonly port: number; readonly path: string; readonly hostKey: string }
  | { readonly kind: 's3'; readonly name: string; readonly bucket: string; readonly prefix: string; readonly region: string; readonly endpoint?: string; readonly ca?: string };

/** What rehearsals forecast with, where the owner says it (milliseconds; megabytes a second for cards), and budgets in milliseconds by the scenario's name. */
export type RehearsalWish = {
  readonly assumptions: { readonly cardMBs?: number; readonly bootMs?: number; readonly pullMs?: number; readonly handsMs?: number };
  readonly budgets: Readonly<Record<string, { readonly rtoMs?: number; readonly rpoMs?: number }>>;
};

/** Who can decrypt what firstlight encrypts: at least two age recipients, exactly one of them the cluster's own. */
export type Secrets = { readonly recipients: readonly Recipient[] };

/** An age recipient (public key). */
export type Recipient = { readonly name: string; readonly role: 'cluster' | 'owner' | 'offline'; readonly key: string };
