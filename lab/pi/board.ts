import { realpathSync } from 'node:fs';
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createLink } from '../link.ts';
import { maintenanceApi } from './api/local.ts';
import { bootSystem, clusterId, enterStage } from './boot.ts';
import { stableHostname } from './identity.ts';
import { readMachineConfig } from './config/machine-config.ts';
import { tellSequence } from './machine/sequence.ts';
import type { Node, ResetOrder } from './node.ts';
import { platformNetwork } from './platform-network.ts';
import { runMachine, type Running } from './running.ts';
import { createAuthority, issue, SERVER_AUTH } from './tls.ts';
import type { Board, BoardSpec, BoardState, CardState } from './types.ts';
import { serveGrpc, type GrpcServer } from './wire/server.ts';

const PORT = 50000;
const BOOT_MS = 300;
// Time for an answer to reach its caller before the port closes.
const ANSWER_MS = 50;
const RETRY_MS = 250;
const META_STATE_ENCRYPTION = 0x09;

/** Makes a virtual Raspberry Pi, powered off. It boots from its card only, and serves the Talos API as the recorded 1.11.0 does. */
export function createBoard(spec: BoardSpec): Board {
  let cardPath = spec.cardPath;
  let power: AbortController | undefined;
  let life: Promise<void> = Promise.resolve();
  let state: BoardState = 'off';
  let lines: string[] = [];
  let address: string | undefined;
  let running: Running | undefined;
  const servers = new Set<GrpcServer>();
  const link = createLink();
  let dead = false;

  const say = (line: string): void => void lines.push(line);

  /** One boot, until the system asks for another (true) or for none. */
  const boot = async (signal: AbortSignal): Promise<boolean> => {
    state = 'booting';
    address = undefined;
    await sleep(spec.bootMs ?? BOOT_MS, undefined, { signal });
    const path = cardPath;
    const card = path === undefined ? { bootable: false as const, reason: 'there is no card' } : await spec.parts.card.read(path);
    if (path === undefined || !card.bootable) {
      say(`bootloader: ${card.bootable ? '' : card.reason}; the green light blinks`);
      state = 'no boot';
      return new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error)));
    }
    const held = card.partitioned ? await spec.parts.card.readState(path) : {};
    const next = Promise.withResolvers<boolean>();
    signal.addEventListener('abort', () => next.reject(signal.reason as Error));
    next.promise.catch(() => {});
    const node = await bootSystem(spec, path, card, held, {
      say, apply: (text, how) => apply(text, how), revertAfter: (ms) => revertAfter(ms),
      reboot: (actor) => void goDown('reboot', actor, true), reset: (order, actor) => void reset(order, actor), shutdown: (actor) => void goDown('shutdown', actor, false),
    });
    say(`[talos] Talos ${card.version}, boot id ${node.bootId}, card ${card.serial}`);

    const save = (text: string): Promise<void> => {
      node.persisted = text;
      const now: CardState = { config: text, identity: node.identity };
      return spec.parts.card.writeState(path, now);
    };
    let revert: NodeJS.Timeout | undefined;
    const revertAfter = (ms: number | undefined): void => {
      clearTimeout(revert);
      if (ms === undefined) return;
      revert = setTimeout(() => void takeOver(node.persisted ?? '').catch((error: Error) => say(`[talos] ${error.message}`)), ms);
      signal.addEventListener('abort', () => clearTimeout(revert));
    };
    const takeOver = async (text: string): Promise<void> => {
      const before = { hostname: node.hostname, address: node.address };
      node.config = readMachineConfig(text, card.version, spec.mac);
      const platform = platformNetwork(node.meta, spec.mac);
      node.hostname = node.config.hostname ?? platform.hostname ?? stableHostname(node.identity);
      node.address = node.config.address ?? platform.address ?? spec.dhcpAddress;
      node.resources.refresh();
      if (running && (before.hostname !== node.hostname || before.address !== node.address)) {
        await sleep(ANSWER_MS, undefined, { signal });
        await running.renewApi(before.address !== node.address);
      }
    };
    const apply: Node['apply'] = async (text, how) => {
      if (how === 'first') return void firstConfig(text).catch((error: Error) => say(`[talos] ${error.message}`));
      if (how !== 'try') await save(text);
      if (how === 'now' || how === 'try') void takeOver(text).catch((error: Error) => say(`[talos] ${error.message}`));
      if (how === 'reboot') void goDown('reboot', '', true);
      node.resources.refresh();
    };
    const firstConfig = async (text: string): Promise<void> => {
      state = 'applying';
      await sleep(ANSWER_MS, undefined, { signal });
      for (const server of servers) server.fallSilent();
      address = undefined;
      await spec.parts.card.createPartitions(path);
      node.partitioned = true;
      await save(text);
      node.meta = new Map([...node.meta, [META_STATE_ENCRYPTION, 'null'] as const].sort(([a], [b]) => a - b));
      await spec.parts.card.writeMeta(path, node.meta);
      signal.throwIfAborted();
      await start(text);
    };
    const start = async (text: string): Promise<void> => {
      await takeOver(text);
      await takeAddress(node, signal);
      running = runMachine(node);
      address = node.address;
      state = 'booted';
    };
    const goDown = async (sequence: 'reboot' | 'shutdown' | 'reset', actor: string, again: boolean, before?: () => Promise<void>): Promise<void> => {
      try {
        clearTimeout(revert);
        enterStage(node, sequence === 'reboot' ? 'rebooting' : sequence === 'reset' ? 'resetting' : 'shutting down');
        await tellSequence(node, sequence, actor, signal);
        await before?.();
        await sleep(ANSWER_MS, undefined, { signal });
        await endAll('stop');
        next.resolve(again);
      } catch (error) {
        if (!signal.aborted) say(`[talos] ${(error as Error).message}`);
        next.resolve(again);
      }
    };
    const reset = (order: ResetOrder, actor: string): Promise<void> => goDown('reset', actor, order.reboot, async () => {
      if (order.graceful) await leaveEtcd(node, signal);
      spec.parts.discovery.withdraw(clusterId(node), node.identity);
      await running?.end('stop');
      await spec.parts.card.wipe(path, order.labels);
    });

    if (held.config === undefined) await maintain(node, signal);
    else await start(held.config);
    return next.promise;
  };

  /** Waits while another machine has the address: Linux itself looks for none, but of two machines the lab lets only the first be reached. */
  const takeAddress = async (node: Node, signal: AbortSignal): Promise<void> => {
    for (let said = false; !spec.parts.addresses.take(node.address, link); said = true) {
      if (!said) say(`[talos] another machine holds the address ${node.address}`);
      await sleep(RETRY_MS, undefined, { signal });
    }
  };

  const maintain = async (node: Node, signal: AbortSignal): Promise<void> => {
    const authority = await createAuthority(undefined, 24);
    const own = await issue(authority, {
      commonName: 'maintenance-service.talos.dev', dnsNames: [node.hostname], addresses: [node.address, '127.0.0.1', '::1'], usages: [SERVER_AUTH], hours: 24,
    });
    await takeAddress(node, signal);
    for (let said = false; ; said = true) {
      signal.throwIfAborted();
      try {
        servers.add(await serveGrpc(node.address, PORT, own, maintenanceApi(() => node)));
        break;
      } catch (error) {
        if (!said) say(`[talos] maintenance service: ${(error as NodeJS.ErrnoException).code === 'EADDRINUSE' ? `another machine holds the address ${node.address}` : (error as Error).message}`);
        await sleep(RETRY_MS, undefined, { signal });
      }
    }
    enterStage(node, 'maintenance');
    address = node.address;
    state = 'maintenance';
    say(`[talos] this machine is reachable at: ${node.address}`);
  };

  const endAll = async (how: 'stop' | 'kill'): Promise<void> => {
    address = undefined;
    await Promise.all([...servers].map((server) => server.close()));
    servers.clear();
    await running?.end(how);
    running = undefined;
    spec.parts.addresses.release(link);
  };

  const live = async (signal: AbortSignal): Promise<void> => {
    try {
      await mkdir(spec.folder, { recursive: true, mode: 0o700 });
      while (await boot(signal)) say('[talos] rebooting');
      await endAll('stop');
    } catch (error) {
      if (!signal.aborted) say(`the system stopped: ${(error as Error).stack ?? (error as Error).message}`);
    }
    state = 'off';
  };

  const powerOff = async (): Promise<void> => {
    power?.abort(new Error('power cut'));
    await endAll('kill');
    await life;
    await endAll('kill');
    power = undefined;
    state = dead ? 'dead' : 'off';
    await rm(join(spec.folder, 'system'), { recursive: true, force: true, maxRetries: 5 });
  };

  return {
    mac: spec.mac,
    powerOn: async () => {
      if (power || dead) return;
      await life;
      power = new AbortController();
      lines = [];
      state = 'booting';
      const { signal } = power;
      life = link.run(() => live(signal));
    },
    powerOff,
    die: async () => {
      dead = true;
      await powerOff();
    },
    mend: () => {
      dead = false;
      if (state === 'dead') state = 'off';
    },
    cutOff: () => link.cut(),
    rejoin: () => link.mend(),
    insertCard: (path) => { cardPath = path === undefined ? undefined : realCard(path); },
    state: () => state,
    address: () => address,
    console: () => lines,
    get closed() { return power === undefined && servers.size === 0 && running === undefined; },
  };
}

// A reader's path may be a link to the card that lies in it; the board keeps the card.
function realCard(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path;
  }
}

// A graceful reset takes the member out of the cluster first, where there are others.
async function leaveEtcd(node: Node, signal: AbortSignal): Promise<void> {
  if (node.etcd?.memberId() === undefined) return;
  const etcd = await node.etcd.running(signal);
  if ((await etcd.members()).length > 1) await etcd.removeMember(node.etcd.memberId()!);
}
