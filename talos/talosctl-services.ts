import { FirstlightError } from '../lib/errors.ts';
import type { Host } from '../lib/host.ts';
import { parseTable } from './tables.ts';
import { talosctl, type Access } from './talosctl.ts';

/** A service of the machine. `state` is Talos's word (`Preparing`, `Running`, `Failed`, …); `health` undefined while unknown. */
export type Service = { readonly id: string; readonly state: string; readonly health?: 'ok' | 'fail'; readonly lastEvent: string };

/** All services of a machine (mTLS only before Talos 1.13). */
export async function services(host: Host, access: Access): Promise<readonly Service[]> {
  return parseServices((await talosctl(host, access, ['service'])).stdout);
}

/** One service, or undefined where the machine has none of that name (etcd on a worker). */
export async function serviceState(host: Host, access: Access, id: string, timeoutMs = 20_000): Promise<Service | undefined> {
  try {
    return parseService((await talosctl(host, access, ['service', id], { timeoutMs })).stdout);
  } catch (error) {
    if (error instanceof FirstlightError && error.code === 'E_TALOS_NOT_FOUND') return undefined;
    throw error;
  }
}

/** Reads the table of `talosctl service`. */
export function parseServices(text: string): readonly Service[] {
  return parseTable(text).map((row) => service(row['SERVICE'] ?? '', row['STATE'] ?? '', row['HEALTH'] ?? '', row['LAST EVENT'] ?? ''));
}

/** Reads the answer of `talosctl service ID` for one node; its first event is the newest. */
export function parseService(text: string): Service | undefined {
  const field = (name: string): string => new RegExp(`^${name} +(.*)$`, 'm').exec(text)?.[1]?.trim() ?? '';
  const id = field('ID');
  return id === '' ? undefined : service(id, field('STATE'), field('HEALTH'), field('EVENTS').replace(/^\[\w+\]: /, '').replace(/ \([^()]* ago\)$/, ''));
}

function service(id: string, state: string, health: string, lastEvent: string): Service {
  const told = health === 'OK' ? { health: 'ok' as const } : health === 'Fail' ? { health: 'fail' as const } : {};
  return { id, state, lastEvent, ...told };
}
