import { FirstlightError } from '../lib/errors.ts';
import type { Host } from '../lib/host.ts';
import { localMember } from './talosctl-etcd.ts';
import { serviceState, type Service } from './talosctl-services.ts';
import { listOf, type Access } from './talosctl.ts';

/**
 * How far a machine's etcd is: `absent` (no such service: a worker, or too early), `starting` (waits for its volumes, time,
 * network, its process is being made, or it was stopped), `preparing` (waits for the bootstrap or for being let in), `running`, `failed`.
 */
export type EtcdPhase = 'absent' | 'starting' | 'preparing' | 'running' | 'failed';

/** What a control plane's etcd showed, or that it could not be asked. `member` is its own hex id, `data` whether its data directory holds a member. */
export type EtcdObservation =
  | { readonly node: string; readonly asked: true; readonly phase: EtcdPhase; readonly data: 'empty' | 'present'; readonly member?: string; readonly detail: string }
  | { readonly node: string; readonly asked: false; readonly seen: string };

/** Where the etcd of Talos keeps its data (siderolabs/talos:pkg/machinery/constants/constants.go, EtcdDataPath). */
const DATA = '/var/lib/etcd';

/**
 * How far a machine's etcd is, from its service. Never asks etcd itself, whose calls hang before the bootstrap.
 * Throws `E_TALOS_…` when the machine can't be asked.
 */
export async function etcdPhase(host: Host, access: Access): Promise<EtcdPhase> {
  return phaseOf(await serviceState(host, access, 'etcd'));
}

/**
 * Reads the phase from the etcd service (states: siderolabs/talos:internal/app/machined/pkg/system/events). A bootstrap stops
 * the waiting service and starts it anew, so `Stopping` and `Finished` pass; after `etcd leave` `Finished` stays.
 */
export function phaseOf(service: Service | undefined): EtcdPhase {
  if (!service) return 'absent';
  switch (service.state) {
    case 'Running': return 'running';
    case 'Failed': return 'failed';
    case 'Preparing': return service.lastEvent === 'Running pre state' ? 'preparing' : 'starting';
    default: return 'starting';
  }
}

/**
 * Everything the bootstrap decision needs to know of one control plane. A machine that can't be asked, or whose data
 * directory can't be seen, becomes `asked: false`; only an abort is thrown.
 */
export async function observeEtcd(host: Host, node: string, access: Access): Promise<EtcdObservation> {
  try {
    const service = await serviceState(host, access, 'etcd');
    const [member, data] = [await localMember(host, access), await dataOf(host, access)];
    const phase = phaseOf(service);
    const detail = service ? `etcd is ${service.state}: ${service.lastEvent}` : 'no etcd service yet';
    return { node, asked: true, phase, data, detail, ...(member === undefined ? {} : { member }) };
  } catch (error) {
    if (error instanceof FirstlightError && error.code.startsWith('E_TALOS')) return { node, asked: false, seen: error.message };
    throw error;
  }
}

async function dataOf(host: Host, access: Access): Promise<'empty' | 'present'> {
  try {
    return (await listOf(host, access, DATA)).includes('member') ? 'present' : 'empty';
  } catch (error) {
    if (error instanceof FirstlightError && error.code === 'E_TALOS_NOT_FOUND') return 'empty';
    throw error;
  }
}
