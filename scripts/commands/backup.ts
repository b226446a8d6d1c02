import { readFile, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { identityToRecipient } from 'age-encryption';
import { backup } from '../../bootstrap/archive/backup.ts';
import { listBackups, newestOf, type Listing } from '../../bootstrap/archive/list.ts';
import { namedPlace } from '../../bootstrap/archive/open-places.ts';
import { verifyBackups, type ToVerify, type Verified } from '../../bootstrap/archive/verify-backups.ts';
import { readCredentials } from '../../bootstrap/credentials.ts';
import { writeJob } from '../../bootstrap/archive/write-job.ts';
import { createFacts } from '../../bootstrap/facts.ts';
import { problem } from '../../lib/errors.ts';
import { readLock } from '../../lib/lock-file.ts';
import { readPins } from '../../lib/tools/pins.ts';
import type { Cluster } from '../../nodes/cluster.ts';
import { clusterIdentities, type Credentials } from '../../nodes/credentials.ts';
import { ownIdentities } from '../identity.ts';
import { HOME, openCluster } from '../open-cluster.ts';
import { provideTools, requireSystemPrograms } from '../provide-tools.ts';
import type { Session } from '../session.ts';
import { backupText, listText, verifyText } from '../terminal/backup.ts';

/** Programs that prove a snapshot. */
const PROOF_TOOLS = ['sops', 'etcd'];
const BACKUP_TOOLS = [...PROOF_TOOLS, 'talosctl', 'kubectl'];
/** Whose versions an archive names: what a restore may need the same of. */
const NAMED = ['talosctl', 'etcd', 'kubectl', 'flux', 'sops'];

/** `firstlight backup [cluster]`: one archive of all that a restore needs, proven, in every place; exit code 2 where a part could not be had. */
export async function backupCommand(session: Session, argument: string | undefined, options: Record<string, unknown>): Promise<number> {
  const { host, view } = session;
  const cluster = await openCluster(argument);
  const { to } = options;
  if (options['writeJob']) return backupJob(session, cluster, typeof to === 'string' ? to : undefined, options);
  const places = typeof to === 'string' ? [namedPlace(cluster, /^\.{1,2}(\/|$)/.test(to) ? resolve(to) : to)] : cluster.backup.places;
  await requireSystemPrograms(session, cluster);
  await provideTools(session, BACKUP_TOOLS);
  const journal = session.record(join(cluster.folder, 'runs', new Date(host.clock.now()).toISOString().replace(/[:.]/g, '-')));
  try {
    const wish = { places, identities: await ownIdentities(session), versions: await versions() };
    const done = await backup(host, createFacts(cluster, host.scratch), wish, (steps) => view.begin(steps));
    await view.end();
    if (options['json']) process.stdout.write(`${host.mask.hide(JSON.stringify({ code: 'backup.done', data: done }))}\n`);
    else view.say(host.mask.hide(backupText(done)));
    return done.manifest.missing.length > 0 ? 2 : 0;
  } finally {
    journal.close();
  }
}

/** `firstlight backup --write-job`: the manifests of a nightly job committed, and the patch beside cluster.yaml that lets it read snapshots. */
async function backupJob(session: Session, cluster: Cluster, place: string | undefined, options: Record<string, unknown>): Promise<number> {
  await requireSystemPrograms(session, cluster);
  await provideTools(session, ['sops', 'kubectl']);
  const { committed, patch, patched, bucket } = await writeJob(session.host, cluster, await readCredentials(session.host, cluster), place);
  await session.view.end();
  if (options['json']) process.stdout.write(`${JSON.stringify({ code: 'backup.job', data: { committed, patch, patched, bucket: bucket.name } })}\n`);
  else session.view.say([committed ? `Committed: a job that puts a snapshot of etcd into ${bucket.name} every night.` : 'The job is in the GitOps repository already.', ...patched ? [`Written: ${patch}, which lets it. Pull, commit it, and run \`firstlight up ${cluster.name}\`.`] : []].join('\n'));
  return 0;
}

/** `firstlight backup list [cluster]`: the archives in all places, newest first; exit code 1 where a place could not be asked. */
export async function listCommand(session: Session, argument: string | undefined, options: Record<string, unknown>): Promise<number> {
  const { host } = session;
  const cluster = await openCluster(argument);
  await provideTools(session, ['sops']);
  const listing = await listBackups(host, cluster, await readCredentials(host, cluster));
  const silent = listing.silent.map(silentData);
  process.stdout.write(options['json'] ? `${JSON.stringify({ code: 'backup.list', data: { archives: listing.archives, silent } })}\n` : `${listText(cluster.name, listing, host.clock.now())}\n`);
  return silent.length > 0 ? 1 : 0;
}

/** `firstlight backup verify [cluster] [archive]`: the newest, a named one, a file, or all of them proven as a whole; exit code 1 where one is refused, or a place could not be asked. */
export async function verifyCommand(session: Session, _argument: string | undefined, options: Record<string, unknown>, words: readonly string[] = []): Promise<number> {
  const { host, view } = session;
  const named = words.find((word) => word.endsWith('.firstlight'));
  const [clusterName, ...rest] = words.filter((word) => word !== named);
  if (rest.length > 0 || (named !== undefined && options['all'])) throw problem('E_USAGE_VERIFY', 'verify takes a cluster and one archive, or --all', 'firstlight backup verify CLUSTER NAME; names end with .firstlight and are those of `firstlight backup list`.');
  const cluster = await openCluster(clusterName);
  await provideTools(session, PROOF_TOOLS);
  const credentials = await readCredentials(host, cluster);
  const { archives, silent } = await chosen(session, cluster, credentials, named, options['all'] === true);
  const own = await ownIdentities(session);
  const identities = own.length > 0 ? own : clusterIdentities(credentials);
  const signer = (await readLock(join(cluster.folder, 'firstlight.lock.yaml'))).backup?.signer;
  const all = await verifyBackups(host, archives, { cluster, credentials, identities, ...(signer === undefined ? {} : { signer }) });
  await view.end();
  if (options['json']) for (const each of all) process.stdout.write(`${host.mask.hide(JSON.stringify({ code: 'backup.verify', data: asData(each) }))}\n`);
  if (options['json']) for (const each of silent) process.stdout.write(`${host.mask.hide(JSON.stringify({ code: 'backup.silent', data: silentData(each) }))}\n`);
  else process.stdout.write(`${host.mask.hide(verifyText(all, silent, new Set(await Promise.all(identities.map((identity) => identityToRecipient(identity))))))}\n`);
  return silent.length > 0 || all.some((each) => 'refused' in each) ? 1 : 0;
}

async function chosen(session: Session, cluster: Cluster, credentials: Credentials, named: string | undefined, every: boolean): Promise<{ readonly archives: readonly ToVerify[]; readonly silent: Listing['silent'] }> {
  if (named !== undefined && await stat(named).then((found) => found.isFile(), () => false)) return { archives: [{ file: resolve(named) }], silent: [] };
  const { archives, silent } = await listBackups(session.host, cluster, credentials);
  for (const { place, error } of silent) session.host.emit({ code: 'backup.refused', message: `${place} could not be asked: ${error.message}` });
  const newest = newestOf(archives, session.host.clock.now());
  const found = archives.filter((each) => (named === undefined ? every || each === newest : each.name === named));
  if (found.length > 0) return { archives: found.map((listed) => ({ listed })), silent };
  const unasked = silent.length === 0 ? '' : `; ${silent.map(({ place }) => place).join(', ')} could not be asked`;
  throw problem('E_BACKUP_NONE', `${named === undefined ? `${cluster.name} has no backup` : `no place has and no file is called ${named}`}${unasked}`, unasked !== '' ? 'Mend what is told of that place above, and run again.' : named === undefined ? `Make one: \`firstlight backup ${cluster.name}\`.` : '`firstlight backup list` shows what there is.');
}

function silentData({ place, error }: Listing['silent'][number]): object {
  return { place, error: error.code, message: error.message };
}

function asData(each: Verified): object {
  const { name, places } = each;
  if ('refused' in each) return { name, places, good: false, error: each.refused.code, message: each.refused.message };
  const { archive: { manifest, signer, sha256, bytes }, proof, absent } = each.verdict;
  return { name, places, good: true, at: manifest.at, bytes, sha256, signer, recipients: manifest.recipients, absent, missing: manifest.missing, revision: proof.revision, objects: proof.objects, secrets: proof.secrets };
}

/** The versions of firstlight and of the programs that it runs, by name: what a restore may need the same of. */
export async function versions(): Promise<Record<string, string>> {
  const { version } = JSON.parse(await readFile(join(HOME, 'package.json'), 'utf8')) as { version: string };
  const pins = await readPins(join(HOME, 'tools.lock.yaml'));
  return { firstlight: version, ...Object.fromEntries(pins.filter(({ tool }) => NAMED.includes(tool)).map((pin) => [pin.tool, pin.version])) };
}
