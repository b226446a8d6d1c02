import { resolve, sep } from 'node:path';
import type { Backup, BackupPlace, Cluster, ClusterNode, Gitops, Nas, PowerCommands, PowerSwitch, RehearsalWish, Schematic, Vault } from './cluster.ts';
import { plainMac, sizeInBytes } from './formats.ts';
import { sftpParts } from './formats-backup.ts';
import { readerParts } from './formats-reader.ts';
import { milliseconds } from './schema-rehearsal.ts';
import type { ClusterFile } from './schema.ts';

/** Where principals of Azure's public cloud log in. */
const AUTHORITY = 'https://login.microsoftonline.com';

/** Where the API of a self-hosted git host is, below its address. */
const API_VERSIONS = { github: 'v3', gitlab: 'v4', gitea: 'v1' } as const;

/** The public image factory. */
const FACTORY = 'https://factory.talos.dev';

/** Fills in the defaults and brings a valid file into the forms of `Cluster`. Pure; the file has passed schema and rules. */
export function toCluster(file: ClusterFile, folder: string, repository: string): Cluster {
  return {
    folder, repository,
    name: file.name,
    environment: file.environment ?? 'prod',
    talos: {
      version: plainVersion(file.talos.version), factory: (file.talos.factory ?? FACTORY).replace(/\/$/, ''), schematic: schematic(file.talos.schematic),
      ...(file.talos.image === undefined ? {} : { image: resolve(folder, file.talos.image) }),
      ...(file.talos.workloadIsolation === undefined ? {} : { workloadIsolation: file.talos.workloadIsolation }),
    },
    kubernetes: { version: plainVersion(file.kubernetes.version) },
    network: {
      subnet: file.network.subnet, gateway: file.network.gateway, endpoint: file.network.endpoint,
      dns: file.network.dns ?? [file.network.gateway],
      ntp: file.network.ntp ?? ['time.cloudflare.com'],
      maintenance: file.network.maintenance ?? 'dhcp',
    },
    nodes: file.nodes.map(clusterNode),
    ...(file.switch === undefined ? {} : { power: power(file.switch) }),
    ...(file.reader === undefined ? {} : { reader: { ...readerParts(file.reader.url), hostKey: file.reader.hostKey } }),
    ...(file.nas === undefined ? {} : { nas: nas(file.nas, folder) }),
    ...(file.gitops === undefined ? {} : { gitops: gitops(file.gitops, file.name) }),
    ...(file.vault === undefined ? {} : { vault: vault(file.vault, folder) }),
    backup: backup(file.backup, folder),
    ...(file.rehearsal === undefined ? {} : { rehearsal: rehearsal(file.rehearsal) }),
    secrets: file.secrets,
  };
}

function backup(given: ClusterFile['backup'], folder: string): Backup {
  const { last = 7, daily = 7, weekly = 4, monthly = 6 } = given?.keep ?? {};
  return { places: (given?.places ?? [{ name: 'backups', folder: './backups' }]).map((place) => backupPlace(place, folder)), keep: { last, daily, weekly, monthly } };
}

function rehearsal({ assumptions = {}, budgets = {} }: NonNullable<ClusterFile['rehearsal']>): RehearsalWish {
  const { cardMBs, boot, pull, hands } = assumptions;
  return {
    assumptions: {
      ...(cardMBs === undefined ? {} : { cardMBs }), ...(boot === undefined ? {} : { bootMs: milliseconds(boot) }),
      ...(pull === undefined ? {} : { pullMs: milliseconds(pull) }), ...(hands === undefined ? {} : { handsMs: milliseconds(hands) }),
    },
    budgets: Object.fromEntries(Object.entries(budgets).map(([name, { rto, rpo }]) => [name, {
      ...(rto === undefined ? {} : { rtoMs: milliseconds(rto) }), ...(rpo === undefined ? {} : { rpoMs: milliseconds(rpo) }),
    }])),
  };
}

function backupPlace({ name, folder: path = './backups', sftp, s3 }: NonNullable<NonNullable<ClusterFile['backup']>['places']>[number], folder: string): BackupPlace {
  if (sftp) return { kind: 'sftp', name, ...sftpParts(sftp.url), hostKey: sftp.hostKey };
  if (s3) {
    const { bucket, prefix = '', region = 'us-east-1', endpoint, ca } = s3;
    return { kind: 's3', name, bucket, prefix, region, ...(endpoint === undefined ? {} : { endpoint }), ...(ca === undefined ? {} : { ca: resolve(folder, ca) }) };
  }
  const whole = resolve(folder, path);
  return { kind: 'folder', name, path: whole, make: whole.startsWith(`${folder}${sep}`) };
}

function plainVersion(text: string): string {
  return text.replace(/^v/, '');
}

/** For a Raspberry Pi 4 with iSCSI storage (siderolabs/sbc-raspberrypi; siderolabs/extensions). */
function schematic(given: ClusterFile['talos']['schematic']): Schematic {
  const appended = given?.overlay?.configTxtAppend;
  return {
    overlay: {
      image: given?.overlay?.image ?? 'siderolabs/sbc-raspberrypi',
      name: given?.overlay?.name ?? 'rpi_generic',
      ...(appended === undefined ? {} : { configTxtAppend: appended }),
    },
    extensions: given?.extensions ?? ['siderolabs/iscsi-tools', 'siderolabs/util-linux-tools'],
    kernelArgs: given?.kernelArgs ?? [],
  };
}

function clusterNode(node: ClusterFile['nodes'][number]): ClusterNode {
  const card = node.card;
  return {
    name: node.name, role: node.role, mac: plainMac(node.mac), address: node.address,
    proof: node.proof ?? 'stamp',
    ...(card === undefined ? {} : { card: { ...(card.device === undefined ? {} : { device: card.device }), ...(card.serial === undefined ? {} : { serial: card.serial }) } }),
    ...(node.port === undefined ? {} : { port: node.port }),
    labels: node.labels ?? {},
    ...(node.memory === undefined ? {} : { memory: sizeInBytes(node.memory) }),
  };
}

function power({ portName, commands, ...given }: NonNullable<ClusterFile['switch']>): PowerSwitch {
  return {
    ...given, sshPort: given.sshPort ?? 22,
    ...(portName === undefined ? {} : { portName }), ...(commands === undefined ? {} : { commands: commands as PowerCommands }),
  };
}

function nas(given: NonNullable<ClusterFile['nas']>, folder: string): Nas {
  const https = given.https ?? true;
  return {
    address: given.address, https,
    port: given.port ?? (https ? 5001 : 5000),
    ...(given.certificate === undefined ? {} : { certificate: given.certificate }),
    ...(given.ca === undefined ? {} : { ca: resolve(folder, given.ca) }),
    user: given.user,
    iscsiPort: given.iscsiPort ?? 3260,
    volume: given.volume ?? '/volume1',
    luns: given.luns.map((lun) => ({
      name: lun.name, bytes: sizeInBytes(lun.size), iqn: lun.iqn, user: lun.user,
      ...(lun.uuid === undefined ? {} : { uuid: lun.uuid }), ...(lun.mutualUser === undefined ? {} : { mutualUser: lun.mutualUser }),
      ...(lun.claim === undefined ? {} : { claim: { ...lun.claim, fsType: lun.claim.fsType ?? 'ext4' } }),
    })),
  };
}

function gitops(given: NonNullable<ClusterFile['gitops']>, cluster: string): Gitops {
  const { host } = given;
  return {
    url: given.url, branch: given.branch ?? 'main', path: given.path ?? `clusters/${cluster}`, hostKey: given.hostKey,
    ...(host === undefined ? {} : { host: { kind: host.kind, api: (host.api ?? `https://${new URL(given.url).hostname}/api/${API_VERSIONS[host.kind]}`).replace(/\/$/, '') } }),
  };
}

function vault(given: NonNullable<ClusterFile['vault']>, folder: string): Vault {
  return {
    url: given.url, tenant: given.tenant, clientId: given.clientId, authority: given.authority ?? AUTHORITY,
    ...(given.ca === undefined ? {} : { ca: resolve(folder, given.ca) }),
    secrets: given.secrets.map((one) => ({ ...one, secret: one.secret ?? one.path.split('/').at(-1)! })),
  };
}
