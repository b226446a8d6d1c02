import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { problem } from '../../lib/errors.ts';
import { withSignal, type Host } from '../../lib/host.ts';
import { readLock } from '../../lib/lock-file.ts';
import { bundleRepository } from '../../gitops/bundle.ts';
import { openVault } from '../../gitops/vault/client.ts';
import type { BackupPlace } from '../../nodes/cluster.ts';
import { clusterIdentities } from '../../nodes/credentials.ts';
import { kubeconfig } from '../../talos/talosctl.ts';
import type { Facts } from '../facts.ts';
import { runSteps } from '../runner.ts';
import type { Step } from '../step.ts';
import { viewStorage } from '../storage-view.ts';
import { clusterFiles } from './collect/folder.ts';
import { fluxRecord } from './collect/flux.ts';
import { machineConfigs } from './collect/machines.ts';
import { takeSnapshot } from './collect/snapshot.ts';
import { vaultRecord } from './collect/vault.ts';
import { openArchive } from './open.ts';
import { packArchive, type Part } from './pack.ts';
import { collectStep, createRoom, type Collected, type Room } from './room.ts';
import { makeSigner, signerLacks, signingKey } from './signer.ts';
import { placeSteps } from './place-steps.ts';
import { archiveName, ENTRY, type Manifest, type MissingPart } from './types.ts';

/** A backup to make: where to, with which identities it is read back (besides the cluster's own), and the versions of the programs, by name. */
export type BackupWish = { readonly places: readonly BackupPlace[]; readonly identities: readonly string[]; readonly versions: Readonly<Record<string, string>> };

/** The steps of a backup and the room they fill. */
export type BackupRun = { readonly steps: readonly Step[]; readonly room: Room };

/**
 * Which steps make a backup of this cluster: keys, the proven snapshot, then whatever else a restore needs; packed, read back, brought to every
 * place, older ones pruned. Only keys, snapshot and places can fail it: anything else that can't be had is told, in the manifest too.
 */
export function backupSteps(facts: Facts, wish: BackupWish): BackupRun {
  const { cluster } = facts;
  const room = createRoom();
  const steps: Step[] = [signerStep(facts)];
  const collecting: string[] = [];
  const collect = (id: string, title: string, work: (host: Host) => Promise<Collected>, more: { readonly optional?: string; readonly needs?: readonly string[] } = {}): void => {
    steps.push(collectStep(room, { id, title, collect: work, needs: more.needs ?? ['signer'], ...(more.optional === undefined ? {} : { optional: more.optional }) }));
    collecting.push(id);
  };
  collect('snapshot', 'etcd snapshot, proven by a restore', (host) => snapshot(host, facts, room));
  collect('machines', 'Machine configs as applied', (host) => machines(host, facts));
  if (cluster.gitops) {
    collect('flux', 'What Flux applied', (host) => flux(host, facts), { optional: ENTRY.flux });
    collect('repository', 'GitOps repository', (host) => repository(host, facts, room), { optional: ENTRY.repository });
  }
  // Both write the kubeconfig.
  if (cluster.nas) collect('storage', 'LUNs and their volumes', (host) => storage(host, facts), { optional: ENTRY.storage, needs: cluster.gitops ? ['flux'] : ['signer'] });
  if (cluster.vault) collect('vault', 'Names of the vault’s secrets', (host) => vault(host, facts), { optional: ENTRY.vault });
  steps.push(packStep(facts, room, wish, collecting), ...placeSteps(facts, room, wish.places, ['pack']));
  return { steps, room };
}

function signerStep(facts: Facts): Step {
  return {
    id: 'signer', title: 'Keys and recipients', part: 'Collect', needs: [],
    async observe(host) {
      const recipients = new Set(facts.cluster.secrets.recipients.map(({ key }) => key)).size;
      if (recipients < 2) throw problem('E_BACKUP_RECIPIENTS', `the backup would be encrypted for ${recipients} recipient, so one lost key loses it`, 'Name at least two different age recipients under secrets.recipients.');
      await facts.bundle(host);
      const why = await signerLacks(host, facts);
      return why === undefined ? { state: 'done', detail: `for ${recipients} recipients, signed by the pinned key` } : { state: 'needed', why };
    },
    act: (host) => makeSigner(host, facts),
  };
}

async function snapshot(host: Host, facts: Facts, room: Room): Promise<Collected> {
  room.snapshot = await takeSnapshot(host, facts);
  const { file, node, proof } = room.snapshot;
  const bundle = await facts.bundle(host);
  const objects = proof.objects.reduce((sum, { count }) => sum + count, 0);
  return { parts: [{ name: ENTRY.snapshot, file }, { name: ENTRY.bundle, text: bundle.text }], detail: `revision ${proof.revision}, ${objects} objects, from ${node}` };
}

async function machines(host: Host, facts: Facts): Promise<Collected> {
  const { parts, missing } = await machineConfigs(host, facts);
  return { parts, missing, detail: `${parts.length} of ${parts.length + missing.length} nodes` };
}

async function flux(host: Host, facts: Facts): Promise<Collected> {
  await kubeconfig(host, await facts.access(host, facts.cluster.nodes.find((node) => node.role === 'control plane')!), facts.kubeconfig);
  const record = await fluxRecord(host, facts.kubeconfig);
  return { parts: [json(ENTRY.flux, record)], detail: `${record.objects.length} objects, ${record.objects.filter(({ ready }) => ready).length} of them Ready` };
}

async function repository(host: Host, facts: Facts, room: Room): Promise<Collected> {
  const { url, branch } = facts.cluster.gitops!;
  const file = join(host.scratch, ENTRY.repository);
  const revision = await bundleRepository(host, facts.cluster, await facts.credentials(host), file);
  room.git = { url, branch, revision };
  return { parts: [{ name: ENTRY.repository, file }], detail: `${branch} at ${revision.slice(0, 8)}` };
}

async function storage(host: Host, facts: Facts): Promise<Collected> {
  const view = await viewStorage(host, facts);
  const missing: MissingPart[] = view.kubernetes === undefined ? [] : [{ part: 'the volumes on the LUNs', why: view.kubernetes }];
  return { parts: [json(ENTRY.storage, view)], missing, detail: `${view.luns.length} LUN${view.luns.length === 1 ? '' : 's'}` };
}

async function vault(host: Host, facts: Facts): Promise<Collected> {
  const declared = facts.cluster.vault!;
  const record = await vaultRecord(host, declared, await openVault(host, declared, await facts.credentials(host)));
  const missing = record.secrets.flatMap(({ name, why }) => (why === undefined ? [] : [{ part: `the version of ${name}`, why }]));
  return { parts: [json(ENTRY.vault, record)], missing, detail: `${record.secrets.length} secrets of ${declared.url}` };
}

function json(name: string, value: object): Part {
  return { name, text: `${JSON.stringify(value, null, 2)}\n` };
}

/** Packed and read back with a key that any restore has too, before any place sees it. */
function packStep(facts: Facts, room: Room, wish: BackupWish, collecting: readonly string[]): Step {
  return {
    id: 'pack', title: 'Archive, encrypted, signed and read back', part: 'Archive', needs: collecting,
    async observe() {
      const { packed } = room;
      return packed ? { state: 'done', detail: `${packed.name}, for ${packed.manifest.recipients.length} recipients` } : { state: 'needed', why: 'not packed yet' };
    },
    async act(host) {
      const { cluster } = facts;
      const taken = room.snapshot!;
      const { clusterId } = await facts.bundle(host);
      const name = archiveName(cluster.name, taken.at);
      const file = join(host.scratch, name);
      const { revision, hash, keys, objects, nodes, uid, secrets } = taken.proof;
      await packArchive(host, file, {
        key: await signingKey(host, facts),
        about: {
          cluster: cluster.name, clusterId, at: new Date(taken.at).toISOString(), missing: room.missing, versions: { ...wish.versions, talos: cluster.talos.version, kubernetes: cluster.kubernetes.version },
          recipients: cluster.secrets.recipients.map((each) => ({ name: each.name, role: each.role, key: each.key })),
          etcd: { node: taken.node, revision, hash, keys, objects, nodes, bundle: secrets === 'wrong bundle' ? 'none' : secrets, ...(uid === undefined ? {} : { uid }) },
          ...(room.git ? { git: room.git } : {}),
        },
        parts: [...collecting.flatMap((id) => room.parts.get(id) ?? []), ...await clusterFiles(cluster.folder)],
      });
      const { signer } = (await readLock(facts.lockFile)).backup!;
      const identities = [...wish.identities, ...clusterIdentities(await facts.credentials(host))];
      const folder = join(host.scratch, 'read-back');
      const { bytes, sha256, manifest } = await openArchive(host, file, { identities, cluster: cluster.name, signer, folder });
      await rm(folder, { recursive: true, force: true });
      room.packed = { name, file, bytes, sha256, manifest };
    },
  };
}

/** What a backup came to: the archive, its bytes, the places that have it, and whether the key that signs was made now. `ms` is how long it took. */
export type BackupDone = { readonly name: string; readonly size: number; readonly sha256: string; readonly places: readonly string[]; readonly manifest: Manifest; readonly ms: number; readonly made: boolean };

/** Walks the steps of a backup; `begin` hears of them first. Throws what a step throws; `E_BACKUP_PLACES` where the archive did not reach every place. */
export async function backup(host: Host, facts: Facts, wish: BackupWish, begin: (steps: readonly Step[]) => void): Promise<BackupDone> {
  const { steps, room } = backupSteps(facts, wish);
  begin(steps);
  const result = await runSteps(steps, withSignal(host, host.signal));
  const { name, bytes, sha256, manifest } = room.packed!;
  const made = result.steps.some(({ step, end }) => step.id === 'signer' && end === 'done');
  return { name, size: bytes, sha256, manifest, places: [...room.placed], ms: result.ms, made };
}
