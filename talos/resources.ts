import { z } from 'zod';
import { problem } from '../lib/errors.ts';
import type { Host } from '../lib/host.ts';
import { talosctl, type Access } from './talosctl.ts';

/** One COSI resource as `talosctl get -o json` prints it. `spec` is whatever the type holds. */
export type Resource = { readonly id: string; readonly type: string; readonly namespace: string; readonly phase: string; readonly version: string; readonly spec: unknown };

const SHAPE = z.object({
  metadata: z.object({ id: z.union([z.string(), z.number()]), type: z.string(), namespace: z.string(), phase: z.string(), version: z.union([z.string(), z.number()]) }),
  spec: z.unknown(),
});

/**
 * The resources of a type, or the one with `id`, as the machine holds them now. `type` is an alias or full name (`links`,
 * `MetaKeys.runtime.talos.dev`). An empty list is an empty array; a missing `id` is `E_TALOS_NOT_FOUND`. Throws `E_TALOS_…`.
 */
export async function getResources(host: Host, access: Access, type: string, id?: string, timeoutMs = 20_000): Promise<readonly Resource[]> {
  const { stdout } = await talosctl(host, access, ['get', type, ...(id === undefined ? [] : [id]), '-o', 'json'], { timeoutMs });
  return parseResources(stdout);
}

/** Reads the JSON documents that talosctl prints one after another. Throws `E_TALOS_OUTPUT` for anything else. */
export function parseResources(text: string): readonly Resource[] {
  return splitDocuments(text).map((document) => {
    const read = SHAPE.safeParse(readJson(document));
    if (!read.success) throw unreadable(`a resource without ${read.error.issues[0]?.path.join('.') ?? 'its fields'}`);
    const { metadata, spec } = read.data;
    return { id: String(metadata.id), type: metadata.type, namespace: metadata.namespace, phase: metadata.phase, version: String(metadata.version), spec };
  });
}

/** A network link: its name, addresses in lower case, and whether it is a physical one with carrier. */
export type Link = { readonly name: string; readonly mac: string; readonly permanentMac: string; readonly physical: boolean; readonly up: boolean };

/** The machine's links; loopback and virtual ones are there too, with `physical` false. */
export async function links(host: Host, access: Access): Promise<readonly Link[]> {
  return (await getResources(host, access, 'links')).map(({ id, spec }) => {
    const { hardwareAddr, permanentAddr, type, kind, linkState } = spec as Record<string, unknown>;
    const mac = lower(hardwareAddr);
    return { name: id, mac, permanentMac: lower(permanentAddr) || mac, physical: type === 'ether' && (kind === '' || kind === undefined), up: linkState === true };
  });
}

/** The MAC addresses of the machine's physical links, lower case. */
export function macsOf(all: readonly Link[]): readonly string[] {
  return [...new Set(all.filter((link) => link.physical).flatMap((link) => [link.permanentMac, link.mac]).filter((mac) => mac !== ''))];
}

/** The values of the META partition by key number (siderolabs/talos:pkg/machinery/meta/constants.go). */
export async function metaKeys(host: Host, access: Access): Promise<ReadonlyMap<number, string>> {
  return new Map((await getResources(host, access, 'metakeys')).map(({ id, spec }) => [Number(id), String((spec as { value?: unknown }).value)]));
}

/** What a machine says of itself: `maintenance`, `booting`, `running`, `rebooting`, …, and what keeps it from being ready. */
export type MachineStage = { readonly stage: string; readonly ready: boolean; readonly unmet: readonly string[] };

/** The machine's stage; `unmet` are sentences such as “services: etcd not running”. */
export async function machineStage(host: Host, access: Access): Promise<MachineStage> {
  const spec = (await getResources(host, access, 'machinestatus', 'machine'))[0]?.spec as
    { stage?: unknown; status?: { ready?: unknown; unmetConditions?: readonly { name?: unknown; reason?: unknown }[] } } | undefined;
  const unmet = (spec?.status?.unmetConditions ?? []).map(({ name, reason }) => `${String(name)}: ${String(reason)}`);
  return { stage: String(spec?.stage ?? 'unknown'), ready: spec?.status?.ready === true, unmet };
}

/** The machine's hostname, or undefined before it has one. */
export async function hostnameOf(host: Host, access: Access): Promise<string | undefined> {
  const name = ((await getResources(host, access, 'hostnamestatus'))[0]?.spec as { hostname?: unknown } | undefined)?.hostname;
  return typeof name === 'string' && name !== '' ? name : undefined;
}

function lower(value: unknown): string {
  return typeof value === 'string' ? value.toLowerCase() : '';
}

function splitDocuments(text: string): readonly string[] {
  return text.split(/^(?=\{)/m).map((part) => part.trim()).filter((part) => part !== '');
}

function readJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw unreadable('something that is not JSON', error);
  }
}

function unreadable(what: string, cause?: unknown): Error {
  return problem('E_TALOS_OUTPUT', `talosctl printed ${what}`, 'talosctl and the machine may be of versions too far apart: run `firstlight tools`.', { cause });
}
