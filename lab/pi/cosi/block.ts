import { createHash } from 'node:crypto';
import type { Node } from '../node.ts';
import type { Fact } from './store.ts';

const MIB = 1024 * 1024;
const DISK = 'mmcblk0';
const BUS = '/platform/emmc2bus/fe340000.mmc/mmc_host/mmc0/mmc0:aaaa';
const LINUX = '0fc63daf-8483-4772-8e79-3d69d8477de4';

type Partition = { readonly index: number; readonly label: string; readonly size: number; readonly name: string; readonly type: string };

/** A size as Go's humanize.Bytes writes it: `8.6 GB`, `136 MB`. */
export function prettySize(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  let value = bytes;
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${value < 10 && unit > 0 ? (Math.round(value * 10) / 10).toFixed(1) : Math.round(value)} ${units[unit]}`;
}

// A UUID that stays the same for the same card and partition.
function uuid(...parts: readonly string[]): string {
  const hex = createHash('sha256').update(parts.join('|')).digest('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-a${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}

// The partitions of a GRUB image for single-board computers, and the two that Talos makes at the first apply.
function partitions(node: Node): readonly Partition[] {
  const linux = (index: number, label: string, size: number, name: string): Partition => ({ index, label, size, name, type: LINUX });
  const rest = node.card.bytes - (100 + 1 + 2000 + 1 + 100 + 2) * MIB;
  return [
    { index: 1, label: 'EFI', size: 100 * MIB, name: 'vfat', type: 'c12a7328-f81f-11d2-ba4b-00a0c93ec93b' },
    { index: 2, label: 'BIOS', size: MIB, name: '', type: '21686148-6449-6e6f-744e-656564454649' },
    linux(3, 'BOOT', 2000 * MIB, 'xfs'), linux(4, 'META', MIB, node.meta.size > 0 ? 'talosmeta' : ''),
    ...(node.partitioned ? [linux(5, 'STATE', 100 * MIB, node.config ? 'xfs' : ''), linux(6, 'EPHEMERAL', rest, node.config ? 'xfs' : '')] : []),
  ];
}

function discovered(node: Node, partition: Partition): Fact {
  const dev = `${DISK}p${partition.index}`;
  return {
    namespace: 'runtime', type: 'DiscoveredVolumes.block.talos.dev', id: dev, owner: 'block.DiscoveryController',
    spec: {
      dev_path: `/dev/${dev}`, type: 'partition', device_path: `/sys/devices${BUS}/block/${DISK}/${dev}`, parent: DISK, parent_dev_path: `/dev/${DISK}`,
      size: partition.size, pretty_size: prettySize(partition.size), sector_size: 512, io_size: 512,
      ...(partition.name === '' ? {} : { name: partition.name }),
      ...(partition.name === 'xfs' ? { uuid: uuid(node.card.serial, partition.label), label: partition.label, block_size: 512, filesystem_block_size: 4096 } : {}),
      partition_uuid: uuid(node.card.serial, 'part', partition.label), partition_type: partition.type, partition_label: partition.label, partition_index: partition.index,
    },
  };
}

function volume(node: Node, partition: Partition | undefined, id: string, mount?: { readonly targetPath: string; readonly selinuxLabel: string; readonly fileMode: number }): Fact {
  const dev = partition ? `/dev/${DISK}p${partition.index}` : '';
  const located = partition ? {
    location: dev, mountLocation: dev, partitionIndex: partition.index, parentLocation: `/dev/${DISK}`, partitionUUID: uuid(node.card.serial, 'part', partition.label),
    size: partition.size, prettySize: prettySize(partition.size),
  } : {};
  const mountSpec = mount ? { mountSpec: { targetPath: mount.targetPath, selinuxLabel: mount.selinuxLabel, projectQuotaSupport: false, fileMode: mount.fileMode } } : {};
  return {
    namespace: 'runtime', type: 'VolumeStatuses.block.talos.dev', id, owner: 'block.VolumeManagerController',
    ...(id === 'META' ? { finalizers: ['META'] } : {}), spec: { phase: partition ? 'ready' : 'missing', type: 'partition', ...located, ...mountSpec },
  };
}

/** The card as Talos sees it: disk, partitions, volumes and which disk is the system's. Device names are a Pi's (`mmcblk0`). */
export function blockFacts(node: Node): readonly Fact[] {
  const { card } = node;
  const parts = partitions(node);
  const byLabel = (label: string): Partition | undefined => parts.find((one) => one.label === label);
  const state = { targetPath: '/system/state', selinuxLabel: 'system_u:object_r:system_state_t:s0', fileMode: 448 };
  const ephemeral = { targetPath: '/var', selinuxLabel: 'system_u:object_r:ephemeral_t:s0', fileMode: 493 };
  return [
    {
      namespace: 'runtime', type: 'Disks.block.talos.dev', id: DISK, owner: 'block.DisksController',
      spec: {
        dev_path: `/dev/${DISK}`, size: card.bytes, pretty_size: prettySize(card.bytes), io_size: 512, sector_size: 512, readonly: false, cdrom: false, serial: card.serial,
        modalias: 'mmc:block', bus_path: BUS, sub_system: '/sys/class/block', transport: 'mmc', symlinks: [`/dev/disk/by-id/mmc-${card.serial}`],
      },
    },
    {
      namespace: 'runtime', type: 'DiscoveredVolumes.block.talos.dev', id: DISK, owner: 'block.DiscoveryController',
      spec: {
        dev_path: `/dev/${DISK}`, type: 'disk', device_path: `/sys/devices${BUS}/block/${DISK}`, size: card.bytes, pretty_size: prettySize(card.bytes), sector_size: 512,
        io_size: 512, name: 'gpt', uuid: uuid(card.serial, 'gpt'), block_size: 512, probed_size: card.bytes - 2 * MIB,
      },
    },
    ...parts.map((partition) => discovered(node, partition)),
    volume(node, byLabel('META'), 'META'), volume(node, node.config ? byLabel('STATE') : undefined, 'STATE', state),
    ...(node.config ? [volume(node, byLabel('EPHEMERAL'), 'EPHEMERAL', ephemeral)] : []),
    { namespace: 'runtime', type: 'SystemDisks.block.talos.dev', id: 'system-disk', owner: 'block.SystemDiskController', spec: { diskID: DISK, devPath: `/dev/${DISK}` } },
  ];
}
