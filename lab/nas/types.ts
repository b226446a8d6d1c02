/** A certificate and its key, both PEM. */
export type NasCertificate = { readonly cert: string; readonly key: string };

/** What a lab NAS is made of. The LUNs' data lie in `folder` as sparse files, with what the NAS knows of them; it is made where missing, and left to the caller to remove. */
export type NasOptions = {
  /** A loopback address. */
  readonly address: string;
  readonly dsmPort: number;
  readonly iscsiPort: number;
  /** A self-signed certificate made at start unless one is given; `false` serves plain HTTP. */
  readonly https?: boolean | NasCertificate;
  readonly account: { readonly user: string; readonly password: string };
  /** The one volume, `/volume1`, Btrfs unless told. */
  readonly volume: { readonly path: string; readonly bytes: number; readonly fileSystem?: 'btrfs' | 'ext4' };
  /** Which DSM it plays, 7 unless told: 6 masks initiators by a list of each target, 7 by hosts. */
  readonly dsm?: 6 | 7;
  readonly folder: string;
};

/** One call of the DSM API; parameters are not kept, they hold secrets. `code` 0 is success; `wrote` when something changed. */
export type NasRequest = { readonly api: string; readonly method: string; readonly verb: string; readonly wrote: boolean; readonly code: number };

/** An open iSCSI session on a target; `luns` are the names of those it reaches, `wrote` of those it wrote. */
export type NasSession = { readonly target: string; readonly initiator: string; readonly address: string; readonly luns: readonly string[]; readonly wrote: readonly string[] };

/** A LUN as it is now; `blocksWritten` counts what was ever written into it. */
export type NasLun = { readonly name: string; readonly uuid: string; readonly bytes: number; readonly mapped: boolean; readonly blocksWritten: number };

/** Two machines (initiators) that wrote one LUN in sessions open at the same time: on a real disk, its data would be gone. */
export type NasCorruption = { readonly lun: string; readonly initiators: readonly [string, string] };

/**
 * What a NAS can be told to do wrong. `refuse`: nothing listens; `hang`: takes connections, never answers; `cut`: hangs up
 * amid each answer (of one DSM method: when it has done what was asked); `dsm error`: answers this number (for one API or
 * method, a number of times); `wrong chap`: every secret differs from what was set; `replace initiators`: a host's added
 * initiator drives the others out; `forget`: says yes to a DSM method and does nothing; `deny initiators`: as LIO outside the ACL, for all but those `allowed`.
 */
export type NasFault =
  | { readonly kind: 'refuse' | 'hang' | 'wrong chap' | 'replace initiators' }
  | { readonly kind: 'cut'; readonly api?: string; readonly method?: string }
  | { readonly kind: 'forget'; readonly api: string; readonly method: string }
  | { readonly kind: 'deny initiators'; readonly allowed?: readonly string[] }
  | { readonly kind: 'dsm error'; readonly code: number; readonly api?: string; readonly method?: string; readonly times?: number };

/** A running lab NAS. */
export type LabNas = {
  /** SHA-256 of the DSM certificate in hex; undefined for plain HTTP. */
  readonly fingerprint: string | undefined;
  readonly requests: readonly NasRequest[];
  sessions(): readonly NasSession[];
  luns(): readonly NasLun[];
  corruptions(): readonly NasCorruption[];
  /** What its owner does in SAN Manager: makes a host (DSM 7) whose initiators alone, with those of other hosts, may use these LUNs. */
  addHost(host: { readonly name: string; readonly initiators: readonly string[]; readonly luns: readonly string[] }): void;
  hosts(): readonly { readonly name: string; readonly initiators: readonly string[] }[];
  /** The same for DSM 6: only these initiators may log in to the target of this IQN. */
  maskTarget(iqn: string, initiators: readonly string[]): void;
  /** Its settings are lost: targets, mappings, hosts, and every session. The LUNs and their data stay. */
  forgetConfiguration(): Promise<void>;
  /** DSM logins that were not logged out again. */
  openLogins(): number;
  /** Makes the NAS fail, or well again (undefined); resolves when it does. */
  fail(fault: NasFault | undefined): Promise<void>;
  /** Ends every connection and lets go of every file; the folder stays. */
  close(): Promise<void>;
};
