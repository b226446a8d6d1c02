import { readFile } from 'node:fs/promises';
import { basename, dirname, join, relative } from 'node:path';
import { backup } from '../../bootstrap/archive/backup.ts';
import { openArchive } from '../../bootstrap/archive/open.ts';
import { ENTRY, type Archive, type Manifest } from '../../bootstrap/archive/types.ts';
import { readCredentials } from '../../bootstrap/credentials.ts';
import { createFacts, type Facts } from '../../bootstrap/facts.ts';
import { runSteps } from '../../bootstrap/runner.ts';
import { givenSteps, keepGiven } from '../../bootstrap/scenarios/given.ts';
import type { StorageView } from '../../bootstrap/storage-view.ts';
import type { Patience } from '../../bootstrap/up.ts';
import { applyObjects } from '../../gitops/kubectl.ts';
import type { StateLun, WorldState } from '../../lab/world/state.ts';
import { problem } from '../../lib/errors.ts';
import { withSignal, type Host } from '../../lib/host.ts';
import { readLock } from '../../lib/lock-file.ts';
import type { Cluster } from '../../nodes/cluster.ts';
import { loadText } from '../../nodes/load.ts';
import { identityFile, ownIdentities } from '../identity.ts';
import type { Session } from '../session.ts';
import { versions } from './backup.ts';

/** A backup that a rehearsal begins with, opened: what it is, the cluster as it declares it, and what a world is made of. */
export type Opened = { readonly archive: Archive; readonly place: string; readonly cluster: Cluster; readonly state: WorldState };

/** Opens a backup with the person's own identities, and proves it as a restore does. Throws `E_ARCHIVE_…`, `E_INVENTORY` for its cluster.yaml. */
export async function openGiven(session: Session, real: Cluster, file: string): Promise<Opened> {
  const { host, environment } = session;
  const { backup: pin } = await readLock(join(real.folder, 'firstlight.lock.yaml'));
  const archive = await openArchive(host, file, { identities: await ownIdentities(session), folder: join(host.scratch, 'given'), cluster: real.name, ...(pin ? { signer: pin.signer } : {}) });
  const declared = archive.path(`${ENTRY.cluster}cluster.yaml`);
  if (declared === undefined) throw problem('E_ARCHIVE_PART', `${basename(file)} holds no cluster.yaml`, 'Choose another backup.', { where: { file } });
  const cluster = await loadText(join(real.folder, 'cluster.yaml'), await readFile(declared, 'utf8'));
  const bundle = archive.path(ENTRY.repository);
  const folder = dirname(declared);
  const credentials = await readCredentials(host, { ...cluster, folder });
  return {
    archive, cluster, place: dirname(file),
    state: {
      folder, credentials, path: relative(real.repository, real.folder), identityFile: identityFile(environment), luns: await lunsOf(archive, cluster),
      ...(bundle === undefined ? {} : { bundle }),
    },
  };
}

/** The LUNs that the backup's map names, with the claim whose data each has. */
async function lunsOf(archive: Archive, { name: cluster }: Cluster): Promise<readonly StateLun[]> {
  const map = archive.path(ENTRY.storage);
  if (map === undefined) return [];
  const { luns } = JSON.parse(await readFile(map, 'utf8')) as StorageView;
  return luns.map(({ name, uuid, bytes, markedFor, volumes }) => {
    const claim = volumes.find((volume) => volume.claim !== undefined)?.claim;
    return { name, uuid, bytes, description: markedFor === undefined ? '' : `firstlight: cluster ${markedFor}`, ...(claim === undefined || markedFor !== undefined && markedFor !== cluster ? {} : { claim }) };
  });
}

/**
 * Brings the world's blank boards into the state of the backup, and backs that up: the recovery to come takes this one, which knows the host
 * keys that the world's machines have. The real machines have those of the real backup.
 */
export async function bringState(session: Session, host: Host, cluster: Cluster, { archive }: Opened, patience: Patience): Promise<Facts> {
  const facts = createFacts(cluster, host.scratch);
  const source = await keepGiven(host, facts, archive.path(ENTRY.snapshot)!);
  const steps = givenSteps(facts, source, host.clock.now(), patience);
  session.view.begin(steps);
  await runSteps(steps, withSignal(host, host.signal));
  await backUp(session, host, facts);
  return facts;
}

/** A fresh cluster gets something to lose, and then a backup. Gives its manifest's revision and its time. */
export async function backupFresh(session: Session, host: Host, facts: Facts): Promise<{ readonly revision: number; readonly at: number; readonly objects: number }> {
  await applyObjects(host, facts.kubeconfig, sampleLoad('rehearsed', 20));
  const manifest = await backUp(session, host, facts);
  return { revision: manifest.etcd.revision, at: Date.parse(manifest.at), objects: manifest.etcd.objects.reduce((sum, { count }) => sum + count, 0) };
}

/** The ordinary backup, into the world's own place. */
async function backUp(session: Session, host: Host, facts: Facts): Promise<Manifest> {
  const wish = { places: facts.cluster.backup.places, identities: await ownIdentities(session), versions: await versions() };
  return (await backup(host, createFacts(facts.cluster, host.scratch), wish, (steps) => session.view.begin(steps))).manifest;
}

/** Objects of several kinds in a namespace of their own: data, Secrets, rights. */
export function sampleLoad(namespace: string, count: number): readonly object[] {
  const objects = Array.from({ length: count }, (_, index) => {
    const metadata = { name: `${namespace}-${index + 1}`, namespace };
    return [
      { apiVersion: 'v1', kind: 'ConfigMap', metadata, data: { number: String(index) } },
      { apiVersion: 'v1', kind: 'Secret', metadata, stringData: { number: `canary-${index}` } },
      { apiVersion: 'rbac.authorization.k8s.io/v1', kind: 'Role', metadata, rules: [{ apiGroups: [''], resources: ['configmaps'], resourceNames: [metadata.name], verbs: ['get'] }] },
    ];
  });
  return [{ apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } }, ...objects.flat()];
}
