import { problem, type FirstlightError } from '../../lib/errors.ts';
import type { RestorePart } from '../../lib/lock-file.ts';
import type { Cluster } from '../../nodes/cluster.ts';
import { behindText, olderRefusal } from './refusals.ts';
import type { EtcdSight, Later, PartSight, Proven, Refusal, RestoreLook, RestoreVerdict } from './types.ts';

/** What follows from what was seen: what is lost, what a restore of this archive does, and what forbids it. Pure. */
export function judge(cluster: Cluster, look: RestoreLook, proven: Proven, atArchive: readonly Refusal[] = []): RestoreVerdict {
  const others = (['nas', 'git', 'key'] as const).flatMap((part) => (look[part] ? [{ part, sight: look[part] }] : []));
  const lostParts = others.flatMap(({ part, sight }) => (sight.kind === 'lost' ? [part] : []));
  const parts: RestorePart[] = [...(look.etcd.kind === 'lost' ? ['etcd' as const] : []), ...lostParts];
  // A later backup forbids going back only where something goes back.
  const before = atArchive.filter(({ error }) => error.code !== 'E_RESTORE_OLDER' || look.etcd.kind === 'lost');
  const refusals = [...before, ...refusalsOf(cluster, look, proven, parts), ...beyond(others)];
  return { parts, refusals, lost: [...lostNodes(look), ...etcdLost(look.etcd), ...told(others, 'lost')], todo: todoOf(cluster, look, proven, others), never: neverOf(look, proven) };
}

type Other = { readonly part: 'nas' | 'git' | 'key'; readonly sight: PartSight };

function refusalsOf(cluster: Cluster, look: RestoreLook, proven: Proven, parts: readonly RestorePart[]): readonly Refusal[] {
  const { etcd, nodes, at } = look;
  if (etcd.kind === 'unclear') {
    return [refuse(problem('E_RESTORE_UNCLEAR', `whether etcd is lost can't be told: ${etcd.why}`, 'It may just choose a leader: run the same command again in a minute. Nothing was touched.'))];
  }
  if (etcd.kind === 'lost') return [...blindness(look), ...(etcd.later && proven.named ? [olderRefusal(proven, etcd.later)] : [])];
  if (parts.length > 0) return [];
  const { revision } = etcd;
  if (revision !== undefined && revision > proven.archive.manifest.etcd.revision) {
    return [olderRefusal(proven, { what: `what lives (etcd answers on ${etcd.node})`, at: new Date(at).toISOString(), revision }, false)];
  }
  const lost = nodes.filter(({ state }) => state === 'lost').map(({ node }) => node.name);
  return [refuse(problem('E_RESTORE_NOTHING', `nothing of ${cluster.name} is lost that a restore brings back: etcd answers on ${etcd.node}`,
    lost.length > 0 ? `Of its nodes, ${lost.join(', ')} ${lost.length > 1 ? 'are' : 'is'} silent: firstlight rebuild ${cluster.name} ${lost[0]}` : 'See `firstlight status`.'))];
}

/** Then it may be this computer that is cut off, and the cluster is well: an earlier state would take the place of what lives. */
function blindness({ blind }: RestoreLook): readonly Refusal[] {
  if (blind === undefined) return [];
  return [{ forcible: true, error: problem('E_RESTORE_BLIND', `this computer may be the one that is cut off: ${blind}`, 'See first that it is in the cluster’s network, and that something of it has power. Where all of it is really dead: --force, and type the cluster’s name. Nothing was touched.') }];
}

function refuse(error: FirstlightError): Refusal {
  return { error, forcible: false };
}

/** What is lost beyond what an archive holds. The NAS holds up everything: its LUNs are the data. A git host that is silent holds up nothing but the end. */
function beyond(others: readonly Other[]): readonly Refusal[] {
  return others.flatMap(({ part, sight }) => (sight.kind === 'beyond' && part !== 'git' ? [refuse(problem(part === 'nas' ? 'E_RESTORE_NAS' : 'E_RESTORE_KEY', sight.told, `${sight.hint} Nothing was touched.`))] : []));
}

function lostNodes({ nodes }: RestoreLook): readonly string[] {
  return nodes.filter(({ state }) => state === 'lost').map(({ node, seen }) => `${node.name} (${node.role}): ${seen}`);
}

function etcdLost(etcd: EtcdSight): readonly string[] {
  if (etcd.kind !== 'lost') return [];
  return [`etcd: ${etcd.why}`, ...(etcd.holding.length > 0 ? [`its quorum: what ${etcd.holding.join(', ')} still ${etcd.holding.length > 1 ? 'have' : 'has'} is wiped`] : [])];
}

function told(others: readonly Other[], kind: PartSight['kind']): readonly string[] {
  return others.flatMap(({ sight }) => (sight.kind === kind ? [sight.told] : []));
}

function todoOf(cluster: Cluster, look: RestoreLook, proven: Proven, others: readonly Other[]): readonly string[] {
  const { nodes, etcd } = look;
  const parts = others.flatMap(({ sight }) => (sight.kind === 'lost' ? [sight.todo] : []));
  if (etcd.kind !== 'lost') return parts;
  const source = sourceOf(etcd, proven);
  const lost = nodes.filter(({ state }) => state === 'lost').map(({ node }) => node.name);
  const stay = nodes.filter(({ state }) => state !== 'lost').map(({ node }) => node.name);
  return [
    ...parts,
    ...(lost.length > 0 ? [`the boards of ${lost.join(', ')} are switched off, get new cards, prove themselves, get their configs`] : []),
    ...(etcd.holding.length > 0 ? [`EPHEMERAL of ${etcd.holding.join(', ')} is wiped (with its images and its etcd), by talosctl reset`] : []),
    `etcd comes back from ${source.what}: revision ${source.revision} of ${source.at}, ${agoText(look.at, source.at)} seconds ago; what was changed since is lost unless git makes it anew, and Flux waits until git is known not to be older`,
    ...(stay.length > 0 ? [`${stay.join(', ')} ${stay.length > 1 ? 'stay' : 'stays'} as they are, their kubelets started anew where needed`] : []),
    ...(cluster.nas ? ['the LUNs are adopted, never formatted'] : []),
  ];
}

function neverOf({ etcd }: RestoreLook, proven: Proven): readonly string[] {
  if (etcd.kind !== 'lost') return [];
  const source = sourceOf(etcd, proven);
  return [
    ...(etcd.later && source !== etcd.later ? [`${behindText(source.revision, source.at, etcd.later)}: ${etcd.later.what}`] : []),
    ...proven.archive.manifest.missing.map(({ part, why }) => `${part}, which the backup could not have: ${why}`),
  ];
}

function agoText(at: number, then: string): string {
  return Math.max(0, Math.round((at - Date.parse(then)) / 1000)).toLocaleString('en-US');
}

/** Where etcd comes back from: what a control plane still has where that is later and no archive was named; else the archive. */
export function sourceOf({ later }: Pick<Extract<EtcdSight, { kind: 'lost' }>, 'later'>, { named, name, archive: { manifest } }: Proven): Later {
  if (later && !named) return later;
  return { what: name, at: manifest.at, revision: manifest.etcd.revision };
}
