import { randomUUID } from 'node:crypto';
import type { Handlers } from '../api/handler.ts';
import { pack, unpack } from '../wire/messages.ts';
import { status } from '../wire/status.ts';

const LABELS = ['EFI', 'BIOS', 'BOOT', 'META', 'STATE', 'EPHEMERAL'];

function actorReply(actor: string): Uint8Array {
  return pack('ActorResponse', { messages: [{ actor_id: actor }] });
}

/** Reboot, reset, shutdown and META. The answer goes out before the machine goes down. */
export const LIFECYCLE_HANDLERS: Handlers = {
  Reboot: async function* (node) {
    const actor = randomUUID();
    yield actorReply(actor);
    node.reboot(actor);
  },
  Shutdown: async function* (node) {
    const actor = randomUUID();
    yield actorReply(actor);
    node.shutdown(actor);
  },
  Reset: async function* (node, _call, request) {
    const message = unpack('ResetRequest', request);
    const mode = (message['mode'] ?? 0) as number;
    const specs = (message['system_partitions_to_wipe'] ?? []) as readonly { readonly label?: string; readonly wipe?: boolean }[];
    const disks = (message['user_disks_to_wipe'] ?? []) as readonly string[];
    if (disks.length > 0 && mode === 1) throw status('Unknown', "reset failed: invalid input, wipe mode SYSTEM_DISK doesn't support UserDisksToWipe parameter");
    if (disks.length > 0) throw status('Unknown', `reset user disk failed: device ${disks[0]} ${disks[0] === '/dev/mmcblk0' ? 'is the system disk' : "wasn't found"}`);
    if (specs.length > 0 && mode === 2) throw status('Unknown', "reset failed: invalid input, wipe mode USER_DISKS doesn't support SystemPartitionsToWipe parameter");
    const strange = specs.find((one) => !LABELS.includes(one.label ?? ''));
    if (strange) throw status('Unknown', `failed to get volume status with label "${strange.label}": resource VolumeStatuses.block.talos.dev(runtime/${strange.label}@undefined) doesn't exist`);
    const labels = specs.filter((one) => one.wipe === true).map((one) => one.label ?? '');
    const actor = randomUUID();
    yield actorReply(actor);
    node.reset({ labels: mode === 2 ? [] : specs.length > 0 ? labels : 'all', reboot: message['reboot'] === true, graceful: message['graceful'] === true }, actor);
  },
  MetaWrite: async function* (node, _call, request) {
    const message = unpack('MetaWriteRequest', request);
    const key = (message['key'] ?? 0) as number;
    if (key > 255) throw status('InvalidArgument', 'key must be a uint8');
    const value = Buffer.from((message['value'] ?? new Uint8Array()) as Uint8Array).toString('utf8');
    node.meta = new Map([...node.meta, [key, value] as const].sort(([a], [b]) => a - b));
    await node.parts.card.writeMeta(node.cardPath, node.meta);
    node.resources.refresh();
    yield pack('EmptyResponse', { messages: [{}] });
  },
  MetaDelete: async function* (node, _call, request) {
    const key = (unpack('MetaDeleteRequest', request)['key'] ?? 0) as number;
    if (!node.meta.has(key)) throw status('NotFound', 'meta key not found');
    node.meta = new Map([...node.meta].filter(([one]) => one !== key));
    await node.parts.card.writeMeta(node.cardPath, node.meta);
    node.resources.refresh();
    yield pack('EmptyResponse', { messages: [{}] });
  },
};
