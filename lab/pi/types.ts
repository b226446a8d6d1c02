import type { ApiServer, ApiServerOptions } from '../kubernetes/api-server.ts';
import type { Etcd, EtcdOptions } from '../kubernetes/etcd.ts';
import type { Addresses } from '../link.ts';
import type { Kubelet, KubeletOptions } from '../kubernetes/kubelet.ts';

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

/** A member of the cluster as discovery tells it. */
export type ClusterMember = {
  readonly nodeId: string;
  readonly hostname: string;
  readonly addresses: readonly string[];
  readonly machineType: string;
  readonly version: string;
};

/** What finds the members of a cluster (Talos asks a service on the Internet; the lab has one of its own). `cluster` is `cluster.id`. */
export type Discovery = {
  announce(cluster: string, member: ClusterMember): void;
  withdraw(cluster: string, nodeId: string): void;
  members(cluster: string): readonly ClusterMember[];
  /** Hears of every change, until the returned function is called. */
  follow(hear: () => void): () => void;
};

/** What a board is made of. Tests give what they need. */
export type BoardParts = {
  readonly card: CardParts;
  readonly discovery: Discovery;
  /** Who has which address. */
  readonly addresses: Addresses;
  startEtcd(start: Omit<EtcdOptions, 'programs'>): Promise<Etcd>;
  startApiServer(start: Omit<ApiServerOptions, 'programs'>): Promise<ApiServer>;
  startKubelet(start: Omit<KubeletOptions, 'programs'>): Kubelet;
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
export type BoardState = 'off' | 'dead' | 'booting' | 'no boot' | 'maintenance' | 'applying' | 'booted';

/** A virtual Raspberry Pi. */
export type Board = {
  readonly mac: string;
  /** Power on; returns at once, booting takes its time. Nothing happens when it is on already. */
  powerOn(): Promise<void>;
  /** Power off, at once: everything the board ran is killed. */
  powerOff(): Promise<void>;
  /** Breaks: off at once, and power on does nothing any more. */
  die(): Promise<void>;
  /** Makes a broken board well again; it stays off. */
  mend(): void;
  /** Cuts it off from all machines but the NAS: callers hang, and it reaches nobody; pods and iSCSI sessions stay. Lasts over a reboot. */
  cutOff(): Promise<void>;
  /** Ends what `cutOff` began. */
  rejoin(): Promise<void>;
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
