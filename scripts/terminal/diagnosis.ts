import { ago } from '../../bootstrap/rebuild/diagnose-words.ts';
import type { Conclusion, Diagnosis, NodeSight, Seen } from '../../bootstrap/rebuild/diagnosis.ts';
import type { ControlPlaneLook } from '../../talos/quorum.ts';

/** `✔` is well, `✗` is not, `?` can't be told, `·` neither. */
type Finding = { readonly mark: '✔' | '✗' | '?' | '·'; readonly what: string; readonly seen: string };

const STATES: Readonly<Record<Conclusion['state'], string>> = { healthy: 'healthy', dead: 'dead', half: 'not well, not dead' };

/** What was found of a node and what follows, for a person: a mark and a line for each look, then what is lost, what will be done, what can't come back. */
export function diagnosisText(diagnosis: Diagnosis, conclusion: Conclusion): string {
  const { node, cluster } = diagnosis;
  const found = findings(diagnosis);
  const width = Math.max(...found.map((each) => each.what.length));
  const list = (title: string, lines: readonly string[], mark = (_: number): string => '-'): string[] => (lines.length === 0 ? [] : ['', title, ...lines.map((line, index) => `  ${mark(index)} ${line}`)]);
  return [
    `${node.name} of ${cluster} (${node.role}, ${node.address}): ${STATES[conclusion.state]}`, '',
    ...found.map((each) => `  ${each.mark} ${each.what.padEnd(width)}  ${each.seen}`),
    ...(conclusion.state === 'healthy' ? [] : ['', `Broken: ${conclusion.cause}.`]),
    ...list('Still answers:', conclusion.state === 'half' ? conclusion.answers : []),
    ...list(conclusion.state === 'healthy' ? 'A rebuild would lose:' : 'Lost with it:', conclusion.lost),
    ...list(conclusion.refuse ? 'What a rebuild would do:' : 'What will be done:', conclusion.todo, (index) => `${index + 1}.`.padStart(3)),
    ...list(conclusion.state === 'healthy' ? 'And would not bring back:' : 'What does not come back:', conclusion.never),
    ...(conclusion.refuse ? ['', `Refused (${conclusion.refuse.code}): ${conclusion.refuse.reason}.`, `  ${conclusion.refuse.hint}`] : []),
  ].join('\n');
}

/** Diagnosis and conclusion as data for `--json`: numbers of 64 bits as text, maps as objects. */
export function diagnosisData(diagnosis: Diagnosis, conclusion: Conclusion): object {
  return JSON.parse(JSON.stringify({ diagnosis, conclusion }, (_key, value: unknown) => (typeof value === 'bigint' ? String(value) : value instanceof Map ? Object.fromEntries(value) : value))) as object;
}

function findings(diagnosis: Diagnosis): Finding[] {
  const { node, at } = diagnosis;
  const port = node.port === undefined ? 'power' : `port ${node.port}`;
  return [
    from(diagnosis.power, 'PoE', (power) => (power === 'on' ? ['✔', `${port} gives power`] : ['✗', `${port} is off`])),
    from(diagnosis.open, 'port 50000', (open) => (open ? ['✔', `answers at ${node.address}`] : ['✗', `nothing answers at ${node.address}`])),
    ...boardsOf(diagnosis),
    from(diagnosis.kubernetes, 'API server', (kube) => ['✔', `answers at ${kube.server}`]),
    ...(diagnosis.kubernetes.known ? kubernetesOf(diagnosis.kubernetes.value, at) : []),
    ...diagnosis.etcd.map((each) => etcdOf(each, each.node === node.name)),
    ...(diagnosis.nas ? [from(diagnosis.sessions, 'NAS', (held) => (held.length === 0 ? ['·', `no session from ${node.address}`] : ['·', `${held.length === 1 ? 'a session' : `${held.length} sessions`} from ${node.address}: ${held.map((each) => each.target).join(', ')}`]))] : []),
    othersOf(diagnosis),
    ...(node.role === 'worker' ? [] : [from(diagnosis.backups, 'backups', (all) => {
      const [first] = all.toSorted((one, other) => Date.parse(other.at) - Date.parse(one.at));
      return first ? ['✔', `${all.length}; the newest is ${first.file}, ${ago(at - Date.parse(first.at))}`] : ['✗', 'none'];
    })]),
  ];
}

function from<T>(seen: Seen<T>, what: string, say: (value: T) => [Finding['mark'], string]): Finding {
  if (!seen.known) return { mark: '?', what, seen: seen.why };
  const [mark, text] = say(seen.value);
  return { mark, what, seen: text };
}

const CARDS = { current: 'its card', older: 'an older card of it', unknown: 'a card of it', none: 'a card without a stamp' } as const;

function boardsOf({ boards }: Diagnosis): Finding[] {
  if (!boards.known) return [{ mark: '?', what: 'board', seen: boards.why }];
  if (boards.value.length === 0) return [{ mark: '✗', what: 'board', seen: 'no machine of the subnet says that it is this node' }];
  return boards.value.map((board): Finding => {
    if (board.kind === 'other') return { mark: '✗', what: 'board', seen: `${board.address}: ${board.told}` };
    const runs = `${board.address}: ${board.kind === 'configured' ? 'has its config' : 'waits for a config'}, from ${CARDS[board.card]}${board.mac ? '' : ', in a board with another MAC'}`;
    return { mark: board.kind === 'configured' && board.card !== 'older' && board.mac ? '✔' : '✗', what: 'board', seen: runs };
  });
}

function kubernetesOf(kube: { readonly node?: NodeSight; readonly pods: readonly object[]; readonly attachments: readonly { readonly volume: string; readonly attached: boolean }[] }, at: number): Finding[] {
  const attached = kube.attachments.filter((each) => each.attached);
  const what = (thing: NodeSight): string => `${thing.ready ? 'Ready' : `not Ready (${thing.reason})`}${thing.heartbeat === undefined ? '' : `, last heard ${ago(at - thing.heartbeat)}`}${thing.cordoned ? ', cordoned' : ''}`;
  return [
    kube.node ? { mark: kube.node.ready ? '✔' : '✗', what: 'Node', seen: what(kube.node) } : { mark: '✗', what: 'Node', seen: 'Kubernetes has no such Node' },
    { mark: '·', what: 'pods', seen: `${kube.pods.length} on it${attached.length === 0 ? '' : `; attached: ${attached.map((each) => each.volume).join(', ')}`}` },
  ];
}

function etcdOf(look: ControlPlaneLook, own: boolean): Finding {
  const what = `etcd ${look.node}`;
  if (!look.asked) return { mark: '✗', what, seen: look.seen };
  const { status } = look;
  if (!status) return { mark: look.phase === 'running' ? '?' : '✗', what, seen: look.detail };
  if (status.errors) return { mark: '✗', what, seen: status.errors };
  const member = `member ${status.member}${status.learner ? ', a learner' : status.leader === status.member ? ', the leader' : ''}`;
  return { mark: '✔', what, seen: own ? member : `${member}${look.members ? `; it lists ${look.members.length}` : ''}` };
}

function othersOf({ others }: Diagnosis): Finding {
  if (others.length === 0) return { mark: '·', what: 'other nodes', seen: 'there are none' };
  const unwell = others.filter((other) => !other.answers || other.ready === false);
  const told = unwell.map((other) => `${other.node} ${other.answers ? 'is not Ready' : 'does not answer'}`);
  return { mark: unwell.length === 0 ? '✔' : '✗', what: 'other nodes', seen: unwell.length === 0 ? (others.length === 1 ? `${others[0]!.node} answers` : `all ${others.length} answer`) : told.join(', ') };
}
