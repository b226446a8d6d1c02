import type { Kubelet } from '../kubernetes/kubelet.ts';
import type { MachineConfig } from './config/machine-config.ts';
import type { ResourceStore } from './cosi/store.ts';
import type { EtcdService } from './etcd/service.ts';
import type { EventLog } from './machine/event-log.ts';
import type { Services } from './machine/services.ts';
import type { BoardParts, BootCard, ClusterMember } from './types.ts';

/** Where a machine is in its life, as MachineStatus tells it (siderolabs/talos:api/resource/definitions/enums, MachineStage). */
export const STAGES = ['unknown', 'booting', 'installing', 'maintenance', 'running', 'rebooting', 'shutting down', 'resetting', 'upgrading'] as const;

/** One of `STAGES`. */
export type Stage = (typeof STAGES)[number];

/** What wiping leaves; see ResetRequest of siderolabs/talos:api/machine/machine.proto. */
export type ResetOrder = { readonly labels: readonly string[] | 'all'; readonly reboot: boolean; readonly graceful: boolean };

/** The running system of a board, from one boot to the next: what the API's handlers see and may do. */
export type Node = {
  readonly mac: string;
  readonly parts: BoardParts;
  readonly cardPath: string;
  readonly card: BootCard;
  readonly bootId: string;
  readonly bootedAt: number;
  readonly folder: string;
  stage: Stage;
  /** The config in force; none in maintenance mode. */
  config: MachineConfig | undefined;
  /** What STATE holds, which a `try` does not touch. */
  persisted: string | undefined;
  hostname: string;
  address: string;
  /** The control planes' virtual IP, while this machine has it. */
  sharedAddress: string | undefined;
  identity: string;
  meta: ReadonlyMap<number, string>;
  partitioned: boolean;
  timeSynced: boolean;
  nodeReady: boolean;
  readonly services: Services;
  readonly events: EventLog;
  readonly resources: ResourceStore;
  /** Log files by the name that `talosctl logs` knows. */
  readonly logs: Map<string, string>;
  etcd: EtcdService | undefined;
  kubelet: Kubelet | undefined;
  /** True while kube-apiserver runs here. */
  apiServerUp: boolean;
  members(): readonly ClusterMember[];
  say(line: string): void;
  /** Takes a config over; resolves when it is in force (`boot` when it goes into force at the next boot only). */
  apply(text: string, how: 'first' | 'now' | 'try' | 'staged' | 'reboot'): Promise<void>;
  /** Lets a `try` run out: back to the persisted config after `ms`. */
  revertAfter(ms: number | undefined): void;
  reboot(actor: string): void;
  reset(order: ResetOrder, actor: string): void;
  shutdown(actor: string): void;
};

/** The conditions that keep a machine from being ready, in Talos' words. */
export function unmetConditions(node: Node): readonly { readonly name: string; readonly reason: string }[] {
  if (!node.config) return [];
  const late = node.services.list().filter((service) => service.healthy !== true && service.id !== 'etcd' && !service.id.startsWith('ext-')).map((service) => service.id);
  const etcd = node.services.get('etcd');
  const waiting = [...(etcd && etcd.state !== 'Running' ? ['etcd'] : []), ...late.filter((id) => node.services.get(id)?.state !== 'Running')];
  const unhealthy = node.services.list().filter((service) => service.state === 'Running' && service.healthy === false).map((service) => service.id);
  const services = [...waiting.map((id) => `${id} not running`), ...unhealthy.map((id) => `${id} not healthy`)];
  const nodeReason = node.apiServerUp || node.config.role === 'worker' ? `node "${node.hostname}" is not ready` : `node "${node.hostname}" status is not available yet`;
  return [
    ...(services.length > 0 ? [{ name: 'services', reason: services.join(', ') }] : []),
    ...(node.nodeReady ? [] : [{ name: 'nodeReady', reason: nodeReason }]),
  ];
}
