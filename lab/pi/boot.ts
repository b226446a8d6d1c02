import { appendFileSync, existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { machineFacts } from './cosi/facts.ts';
import { DEFINITION_FACTS } from './cosi/definitions.ts';
import { createResourceStore } from './cosi/store.ts';
import { newBootId, newIdentity, stableHostname } from './identity.ts';
import { createEventLog } from './machine/event-log.ts';
import { startService } from './machine/service-texts.ts';
import { createServices } from './machine/services.ts';
import { platformNetwork } from './platform-network.ts';
import { STAGES, unmetConditions, type Node, type ResetOrder, type Stage } from './node.ts';
import type { BoardSpec, BootCard, CardState } from './types.ts';
import { seconds } from './wire/messages.ts';

/** What a running system asks of its board. */
export type Orders = {
  apply: Node['apply'];
  revertAfter: Node['revertAfter'];
  reboot(actor: string): void;
  reset(order: ResetOrder, actor: string): void;
  shutdown(actor: string): void;
  say(line: string): void;
};

const ACTIONS = ['Initialized', 'Preparing', 'Waiting', 'Running', 'Stopping', 'Finished', 'Failed', 'Skipped', 'Starting'];
// Services that every metal machine has from the start.
const FIRST = ['auditd', 'containerd', 'machined', 'syslogd', 'udevd'];

/** Boots Talos from a card that can boot: a system in stage `booting`, its first services up, nothing served yet. */
export async function bootSystem(spec: BoardSpec, cardPath: string, card: BootCard, state: CardState, orders: Orders): Promise<Node> {
  const folder = join(spec.folder, 'system');
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const log = join(folder, 'machined.log');
  const events = createEventLog();
  const services = createServices((service) => {
    const last = service.events.at(-1)!;
    events.add('ServiceStateEvent', {
      service: service.id, action: Math.max(0, ACTIONS.indexOf(last.state)), message: last.text,
      health: { unknown: service.healthy === undefined, healthy: service.healthy === true, last_message: service.healthText, ...(service.healthAt === 0 ? {} : { last_change: seconds(service.healthAt) }) },
    });
    orders.say(`[talos] service[${service.id}](${last.state}): ${last.text}`);
    resources.refresh();
  });
  const identity = state.identity ?? newIdentity();
  const meta = await spec.parts.card.readMeta(cardPath);
  const platform = platformNetwork(meta, spec.mac);
  const node: Node = {
    mac: spec.mac, parts: spec.parts, cardPath, card, bootId: newBootId(), bootedAt: Date.now(), folder, stage: 'booting', config: undefined, persisted: state.config,
    hostname: platform.hostname ?? stableHostname(identity), address: platform.address ?? spec.dhcpAddress, sharedAddress: undefined, identity, meta, partitioned: card.partitioned,
    timeSynced: true, nodeReady: false, services, events, logs: new Map([['machined', log], ['kubelet', join(folder, 'kubelet.log')], ['apid', join(folder, 'apid.log')]]),
    etcd: undefined, kubelet: undefined, apiServerUp: false,
    resources: createResourceStore(() => [...DEFINITION_FACTS, ...machineFacts(node)]),
    members: () => (node.config === undefined ? [] : spec.parts.discovery.members(clusterId(node))),
    say: (line) => {
      orders.say(line);
      if (existsSync(folder)) appendFileSync(log, `${line}\n`, { mode: 0o600 });
    },
    apply: orders.apply, revertAfter: orders.revertAfter, reboot: orders.reboot, reset: orders.reset, shutdown: orders.shutdown,
  };
  const { resources } = node;
  for (const [i, id] of FIRST.entries()) startService(services, id, 60 + i);
  return node;
}

/** The cluster's id in discovery. */
export function clusterId(node: Node): string {
  const cluster = node.config?.main['cluster'] as { id?: string; clusterName?: string } | undefined;
  return cluster?.id ?? cluster?.clusterName ?? '';
}

/** Enters a stage, and tells it to watchers and events. */
export function enterStage(node: Node, stage: Stage): void {
  node.stage = stage;
  tellStatus(node);
}

/** Tells the machine's status again where something in it may have changed. */
export function tellStatus(node: Node): void {
  const unmet = unmetConditions(node);
  node.events.add('MachineStatusEvent', { stage: STAGES.indexOf(node.stage), status: { ready: unmet.length === 0, unmet_conditions: unmet } });
  node.resources.refresh();
}
