import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isMap, isNode, isSeq, parseDocument, stringify } from 'yaml';
import { ManyErrors, problem, type FirstlightError } from '../lib/errors.ts';
import { writeWhole } from '../lib/files.ts';
import type { Host } from '../lib/host.ts';
import type { Cluster, Nas } from '../nodes/cluster.ts';
import { parseCluster } from '../nodes/load.ts';
import { nearest } from '../nodes/nearest.ts';
import { lunsOfSiblings } from '../nodes/siblings.ts';
import { markedFor, type DsmLun } from '../storage/dsm/luns.ts';
import type { DsmTarget } from '../storage/dsm/targets.ts';
import { match, type NasContents } from '../storage/findings.ts';
import { strangersOn } from '../storage/target-findings.ts';
import type { Facts } from './facts.ts';
import { contentsOfNas, declaredNas, targetsOf } from './storage-view.ts';

/** An entry of `nas.luns` as it is written into cluster.yaml. */
export type LunEntry = { readonly name: string; readonly uuid: string; readonly size: string; readonly iqn: string; readonly user: string; readonly mutualUser?: string };

/** What was adopted, and what its owner has to do before `up`. */
export type Adoption = { readonly file: string; readonly entry: LunEntry; readonly next: readonly string[] };

/**
 * Takes a LUN of the NAS, by name or uuid, into cluster.yaml (comments and order stay) after proof that nobody else uses it:
 * no other cluster's mark or file names it, one target at most shows it and nothing else, nobody is connected. The NAS is only
 * read. Throws every reason against it (several as `E_STORAGE_ADOPT`), `E_STORAGE_NO_LUN`, and as `contentsOfNas`.
 */
export async function adoptLun(host: Host, facts: Facts, wanted: string): Promise<Adoption> {
  const { cluster } = facts;
  const nas = declaredNas(cluster);
  const contents = await contentsOfNas(host, facts);
  const lun = lunNamed(contents, wanted, nas);
  const targets = targetsOf(contents, lun);
  const against = reasonsAgainst(cluster, nas, contents, lun, targets);
  if (against.length === 1) throw against[0]!;
  if (against.length > 1) throw new ManyErrors('E_STORAGE_ADOPT', `${against.length} things stand against adopting LUN ${lun.name}`, 'Mend each; nothing was changed.', against);
  const entry = entryFor(cluster, nas, contents, lun, targets[0]);
  const file = join(cluster.folder, 'cluster.yaml');
  await writeEntry(cluster, file, entry);
  const chap = (targets[0]?.auth_type ?? 0) > 0;
  const secrets = `chap.${entry.name}${entry.mutualUser === undefined ? '' : ` and mutualChap.${entry.name}`}`;
  return { file, entry, next: [chap ? `put the target's CHAP secret into credentials.sops.yaml as ${secrets} (sops edit)` : 'nothing: `up` makes the CHAP secret and switches CHAP on', `firstlight up ${cluster.name}`] };
}

function lunNamed(contents: NasContents, wanted: string, nas: Nas): DsmLun {
  const lun = contents.luns.find((each) => each.uuid.toLowerCase() === wanted.toLowerCase()) ?? contents.luns.find((each) => each.name === wanted);
  if (lun) return lun;
  const names = contents.luns.map((each) => each.name);
  const meant = nearest(wanted, names);
  throw problem('E_STORAGE_NO_LUN', `the NAS at ${nas.address} has no LUN ${wanted}`, `${meant === undefined ? '' : `Did you mean ${meant}? `}There are: ${names.join(', ') || 'none'}.`);
}

function reasonsAgainst(cluster: Cluster, nas: Nas, contents: NasContents, lun: DsmLun, targets: readonly DsmTarget[]): FirstlightError[] {
  const reasons: FirstlightError[] = [];
  const against = (code: string, message: string, hint: string): void => void reasons.push(problem(code, `LUN ${lun.name}: ${message}`, hint));
  if (nas.luns.some((each) => match(contents, each).lun?.uuid === lun.uuid)) {
    against('E_STORAGE_DECLARED', 'stands in cluster.yaml already', `firstlight up ${cluster.name} does the rest.`);
    return reasons;
  }
  const owner = markedFor(lun);
  if (owner !== undefined && owner !== cluster.name) {
    against('E_STORAGE_OTHER_CLUSTER', `belongs to the cluster ${owner} (its description says so)`, `If ${owner} has really given it up, change the LUN’s description in SAN Manager → LUN → Edit.`);
  }
  if (targets.length > 1) against('E_STORAGE_SHARED', `is shown by ${targets.length} targets (${targets.map((each) => each.iqn).join(', ')})`, 'In SAN Manager take it off all targets but one.');
  for (const target of targets) {
    const users = strangersOn(target);
    if (users.length > 0) against('E_STORAGE_IN_USE', `is in use by ${users.join(', ')}`, 'Stop what uses it, so that the session ends (SAN Manager → iSCSI shows it), and run again.');
    if (target.mapped_luns.length > 1) against('E_STORAGE_IQN', `is not alone behind its target ${target.iqn}`, 'In SAN Manager give the LUN a target of its own.');
  }
  if (lun.size % 2 ** 20 !== 0) against('E_STORAGE_SIZE', `has ${lun.size} bytes, which are no whole MiB`, 'Grow it in SAN Manager to whole MiB.');
  return reasons;
}

function entryFor(cluster: Cluster, nas: Nas, contents: NasContents, lun: DsmLun, target: DsmTarget | undefined): LunEntry {
  const name = freeName(lun, nas);
  const chap = target !== undefined && target.auth_type > 0;
  return {
    name, uuid: lun.uuid.toLowerCase(), size: sizeText(lun.size), iqn: target?.iqn ?? freeIqn(name, contents),
    user: chap ? target.user : cluster.name, ...(target?.auth_type === 2 ? { mutualUser: target.mutual_user } : {}),
  };
}

/** The LUN's own name where it can stand in the file, else as near as may be. */
function freeName(lun: DsmLun, nas: Nas): string {
  const plain = lun.name.toLowerCase().replace(/[^a-z0-9]+/g, '-').replace(/^-+|-+$/g, '').slice(0, 63) || 'lun';
  const taken = (name: string): boolean => nas.luns.some((each) => each.name === name);
  if (!taken(plain)) return plain;
  return [2, 3, 4, 5, 6, 7, 8, 9].map((number) => `${plain.slice(0, 60)}-${number}`).find((name) => !taken(name)) ?? `lun-${lun.uuid.slice(0, 8)}`;
}

function freeIqn(name: string, contents: NasContents): string {
  const iqn = `iqn.2000-01.com.synology:${name}`;
  return contents.targets.some((target) => target.iqn === iqn) ? `${iqn}-firstlight` : iqn;
}

function sizeText(bytes: number): string {
  const [unit, size] = ([['TiB', 2 ** 40], ['GiB', 2 ** 30]] as const).find(([, each]) => bytes % each === 0) ?? ['MiB', 2 ** 20];
  return `${bytes / size}${unit}`;
}

/** Adds the entry to `nas.luns` and reads the whole as any command will, before the file is touched. */
async function writeEntry(cluster: Cluster, file: string, entry: LunEntry): Promise<void> {
  const text = withEntry(await readFile(file, 'utf8'), entry, file);
  const read = parseCluster(text, file, cluster.folder, cluster.repository);
  if (read.nas?.luns.at(-1)?.uuid !== entry.uuid || read.nas.luns.length !== (cluster.nas?.luns.length ?? 0) + 1) {
    throw problem('E_STORAGE_WRITE', 'the entry could not be put into cluster.yaml', `Add it by hand, at the end of nas.luns: ${JSON.stringify(entry)}`, { where: { file } });
  }
  const shared = await lunsOfSiblings(read, file, text);
  if (shared.length > 0) throw shared.length === 1 ? shared[0]! : new ManyErrors('E_STORAGE_ADOPT', 'other clusters of this repository declare the LUN', 'Take it out of theirs first.', shared);
  await writeWhole(file, text);
}

/**
 * The file's text with the entry at the end of `nas.luns`: put in as lines of its own, so that nothing else changes by a byte;
 * an empty or bracketed list is written anew by the YAML library, which keeps comments.
 */
function withEntry(before: string, entry: LunEntry, file: string): string {
  const document = parseDocument(before);
  const luns = isMap(document.get('nas')) ? document.getIn(['nas', 'luns']) : undefined;
  if (!isSeq(luns)) {
    throw problem('E_STORAGE_WRITE', 'nas.luns in cluster.yaml is not written out as a list', `Add this entry by hand: ${JSON.stringify(entry)}`, { where: { file } });
  }
  const last = luns.items.at(-1);
  if (luns.flow !== true && isNode(last) && last.range && luns.range) {
    const indent = ' '.repeat(luns.range[0] - (before.lastIndexOf('\n', luns.range[0] - 1) + 1));
    const end = last.range[1] > 0 && before[last.range[1] - 1] === '\n' ? last.range[1] : before.indexOf('\n', last.range[1]) + 1 || before.length;
    const lines = stringify([entry]).trimEnd().split('\n').map((line) => `${indent}${line}\n`).join('');
    return before.slice(0, end) + (before.slice(0, end).endsWith('\n') ? '' : '\n') + lines + before.slice(end);
  }
  luns.flow = false;
  luns.add(document.createNode(entry));
  return document.toString({ lineWidth: 0 });
}
