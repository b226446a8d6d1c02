import { lossesTold } from '../../bootstrap/recovery/lost.ts';
import type { Restored } from '../../bootstrap/restore/restore.ts';
import type { PartSight, Proven, RestoreLook, RestoreVerdict } from '../../bootstrap/restore/types.ts';
import type { Cluster } from '../../nodes/cluster.ts';
import { stepData } from './rebuild.ts';
import { picture, timeline } from './summary.ts';
import { duration } from './view.ts';

/** What was found of a cluster that is to be restored, and what follows, for a person. */
export function lookText({ name }: Cluster, { name: archive, archive: { manifest, signer } }: Proven, look: RestoreLook, { lost, todo, never, refusals }: RestoreVerdict): string {
  const found = findings(look);
  const width = Math.max(...found.map(({ what }) => what.length));
  const list = (title: string, lines: readonly string[], mark = (_: number): string => '-'): string[] => (lines.length === 0 ? [] : ['', title, ...lines.map((line, index) => `  ${mark(index)} ${line}`)]);
  const objects = manifest.etcd.objects.reduce((sum, { count }) => sum + count, 0);
  return [
    `${archive} is good: of ${name}, ${manifest.at}, revision ${manifest.etcd.revision}, ${objects} objects; restored aside and asked${signer === 'pinned' ? ', signed by the pinned key' : '; ! nobody pinned the key that signed it'}.`, '',
    ...found.map(({ mark, what, seen }) => `  ${mark} ${what.padEnd(width)}  ${seen}`),
    ...list('Lost:', lost),
    ...list(refusals.length > 0 ? 'What a restore would do:' : 'What will be done:', todo, (index) => `${index + 1}.`.padStart(3)),
    ...list('What does not come back:', never),
    ...refusals.flatMap(({ error, forcible }) => ['', `Refused (${error.code}${forcible ? ', --force overrules it' : ''}): ${error.message}.`, `  ${error.hint}`]),
    '',
  ].join('\n');
}

/** The same as data. */
export function lookData({ name }: Cluster, { name: archive, archive: { manifest, sha256 } }: Proven, { nodes, etcd, nas, git, key }: RestoreLook, { refusals, ...verdict }: RestoreVerdict): object {
  return {
    cluster: name, archive, sha256, at: manifest.at, revision: manifest.etcd.revision, etcd, nas, git, key, ...verdict,
    nodes: nodes.map(({ node, state, seen }) => ({ node: node.name, state, seen })),
    refusals: refusals.map(({ error: { code, message, hint }, forcible }) => ({ code, message, hint, forcible })),
  };
}

/** What a restore did: the cluster with what came back, how long each part took, what was lost between snapshot and now. */
export function restoreSummary({ cluster, record, result, macs, verdict }: Restored): string {
  const lost = lostOf({ result, verdict });
  const news = Object.keys(record.cards);
  const back = result.steps.filter(({ step, end }) => end === 'done' && ['Storage', 'GitOps', 'Volumes', 'Git host', 'Keys', 'NAS'].includes(step.part));
  const commit = ['firstlight.lock.yaml', ...(Object.keys(macs).length > 0 || record.parts.includes('git') ? ['cluster.yaml'] : [])];
  return [
    '', picture(cluster, Object.fromEntries(news.map((node) => [node, 'new card']))), '', ...timeline(result), '',
    record.parts.includes('etcd') ? `etcd came back from ${record.archive}: revision ${record.revision} of ${record.at}, ${seconds(result.startedAt, record.at)} seconds before this restore.` : 'etcd lived all the time, and nothing of it was changed.',
    ...Object.entries(macs).map(([node, mac]) => `${node} has a new board: MAC ${mac}.`),
    '', lost.length === 0 ? 'Nothing was lost.' : 'What was lost:', ...lost.map((each) => `  - ${each}`),
    ...(back.length === 0 ? [] : ['What is back:', ...back.map(({ step, detail }) => `  - ${step.title}: ${detail}`)]),
    '', `${cluster.name} is restored: ${duration(result.ms)}. Commit ${commit.join(' and ')}${news.length > 0 ? ': it keeps the older cards out' : ''}.`,
  ].join('\n');
}

/** The same as data. */
export function restoreData({ cluster, record, result, macs, verdict }: Restored): object {
  return {
    code: 'restore.done', cluster: cluster.name, archive: record.archive, sha256: record.sha256, at: record.at, revision: record.revision, parts: record.parts, since: record.since,
    seconds: seconds(result.startedAt, record.at), ms: result.ms, cards: Object.keys(record.cards), macs, lost: lostOf({ result, verdict }), steps: result.steps.map(stepData),
  };
}

function lostOf({ result, verdict }: { readonly result: Restored['result']; readonly verdict: RestoreVerdict | undefined }): readonly string[] {
  return [...verdict?.never ?? [], ...result.steps.filter(({ step }) => step.id === 'losses').flatMap(({ detail }) => lossesTold(detail))];
}

function seconds(startedAt: number, at: string): number {
  return Math.max(0, Math.round((startedAt - Date.parse(at)) / 1000));
}

type Finding = { readonly mark: '✔' | '✗' | '?'; readonly what: string; readonly seen: string };

function findings({ nodes, etcd, nas, git, key }: RestoreLook): readonly Finding[] {
  const part = (what: string, sight: PartSight | undefined): Finding[] => (sight ? [{ mark: sight.kind === 'well' ? '✔' : '✗', what, seen: sight.told }] : []);
  return [
    ...nodes.map(({ node, state, seen }): Finding => ({ mark: state === 'lost' ? '✗' : '✔', what: node.name, seen })),
    etcd.kind === 'lives' ? { mark: '✔', what: 'etcd', seen: `lives, answers on ${etcd.node}${etcd.revision === undefined ? '' : `, revision ${etcd.revision}`}` } : { mark: etcd.kind === 'lost' ? '✗' : '?', what: 'etcd', seen: etcd.kind === 'lost' ? `lost: ${etcd.why}` : etcd.why },
    ...part('NAS', nas), ...part('git host', git), ...part('cluster key', key),
  ];
}
