import type { ControlPlaneMaterial, KubeletMaterial } from '../kubernetes/types.ts';

/** What a bootable card says of itself. Sizes are bytes. */
export type BootCard = {
  readonly bootable: true;
  /** Talos version of the image, `v1.11.0`. */
  readonly version: string;
  /** Schematic id of the image, where it names one. */
  readonly schematic?: string;
  /** Names of the system extensions in the image. */
  readonly extensions: readonly string[];
  readonly serial: string;
  readonly bytes: number;
  /** True once STATE and EPHEMERAL are on the card. */
  readonly partitioned: boolean;
};

/** What a board keeps in STATE: the machine config as it was sent, a staged one, and the node identity (32 random bytes, base62). */
export type CardState = {
  readonly config?: string;
  readonly staged?: string;
  readonly identity?: string;
};

/** What a board does with its card. Paths are the card's file. */
export type CardParts = {
  read(path: string): Promise<BootCard | { readonly bootable: false; readonly reason: string }>;
  /** META keys by number. */
  readMeta(path: string): Promise<ReadonlyMap<number, string>>;
  writeMeta(path: string, values: ReadonlyMap<number, string>): Promise<void>;
  createPartitions(path: string): Promise<void>;
  readState(path: string): Promise<CardState>;
  writeState(path: string, state: CardState): Promise<void>;
  /** Empties the named partitions (`STATE`, `EPHEMERAL`, …); `all` takes the image as well: the card boots no more. */
  wipe(path: string, labels: readonly string[] | 'all'): Promise<void>;
  /** The folder that stands for the contents of EPHEMERAL (`/var`); it goes with the card. */
  ephemeralFolder(path: string): Promise<string>;
};

/** A program that a board runs. */
export type Running = {
  readonly pid: number;
  readonly exited: Promise<number>;
  /** Ends it in order. */
  stop(): Promise<void>;
  /** Ends it as a power cut does. */
  kill(): Promise<void>;
};

/** How etcd begins: alone and new, with what is in its folder, from a snapshot file, or as a new member of a cluster. */
export type EtcdBegin =
  | { readonly kind: 'new' }
  | { readonly kind: 'existing' }
  | { readonly kind: 'recover'; readonly snapshot: string; readonly skipHashCheck: boolean }
  | { readonly kind: 'join'; readonly initialCluster: string };

/** What etcd needs to start; `data` is its folder on the card, `log` the file its output goes to. */
export type EtcdStart = { readonly material: ControlPlaneMaterial; readonly data: string; readonly log: string; readonly folder: string; readonly begin: EtcdBegin };

/** What kube-apiserver and the kubelet need; `folder` is scratch that may vanish. */
export type ApiServerStart = { readonly material: ControlPlaneMaterial; readonly folder: string; readonly log: string };
export type KubeletStart = { readonly material: KubeletMaterial; readonly folder: string; readonly log: string };

/** A kubelet; `ready` tells whether its Node is registered and Ready. */
export type RunningKubelet = Running & { ready(): boolean };

/** What a board is made of. Tests give what they need. */
export type BoardParts = {
  readonly card: CardParts;
  startEtcd(start: EtcdStart): Promise<Running>;
  startApiServer(start: ApiServerStart): Promise<Running>;
  startKubelet(start: KubeletStart): Promise<RunningKubelet>;
};

/** What a board is and where it stands. `dhcpAddress` is what its MAC gets from the network's DHCP server. */
export type BoardSpec = {
  readonly mac: string;
  readonly dhcpAddress: string;
  readonly cardPath?: string;
  readonly parts: BoardParts;
  /** Scratch folder of this board; created when missing. */
  readonly folder: string;
  /** Milliseconds from power to the API; 300 unless told. */
  readonly bootMs?: number;
};

/** What a board is doing. */
export type BoardState = 'off' | 'booting' | 'no boot' | 'maintenance' | 'applying' | 'booted';

/** A virtual Raspberry Pi. */
export type Board = {
  readonly mac: string;
  /** Power on; returns at once, booting takes its time. Nothing happens when it is on already. */
  powerOn(): Promise<void>;
  /** Power off, at once: everything the board ran is killed. */
  powerOff(): Promise<void>;
  /** Puts another card in (or none). A board that is on notices at its next boot only. */
  insertCard(path: string | undefined): void;
  state(): BoardState;
  /** The address at which it answers now, if it does. */
  address(): string | undefined;
  /** What stands on its console since the last power on. */
  console(): readonly string[];
  /** True while the board holds no port, no process and no timer. */
  readonly closed: boolean;
};
