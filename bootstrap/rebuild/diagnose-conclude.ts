import { departureDecision, sameId, type ControlPlaneLook } from '../../talos/quorum.ts';
import { known } from './diagnose-look.ts';
import { ago, lostWith, neverBack, toDo } from './diagnose-words.ts';
import type { Conclusion, Diagnosis } from './diagnosis.ts';

/** For how long after its last heartbeat Kubernetes still takes a node for Ready (kube-controller-manager, `node-monitor-grace-period`), in milliseconds. */
const GRACE_MS = 50_000;

/**
 * What follows from a diagnosis: whether the node is well, dead or something between, which way its rebuild takes, what is lost and
 * what will be done, and whether it is refused. Pure. A rebuild of this node that is under way goes on by its own way and is not refused for health.
 */
export function conclude(diagnosis: Diagnosis): Conclusion {
  const way = wayOf(diagnosis);
  const signs = lifeOf(diagnosis);
  const state = isHealthy(diagnosis) ? 'healthy' : signs.alive ? 'half' : 'dead';
  const refuse = refusal(diagnosis, way, state);
  return {
    state, way, cause: causeOf(diagnosis, state), answers: signs.told,
    lost: lostWith(diagnosis, way), todo: toDo(diagnosis, way), never: neverBack(diagnosis, way), ...(refuse === undefined ? {} : { refuse }),
  };
}

function wayOf({ node, controlPlanes, rebuild }: Diagnosis): Conclusion['way'] {
  if (rebuild?.node === node.name) return rebuild.way;
  if (node.role === 'worker') return 'worker';
  return controlPlanes.length === 1 ? 'only' : 'member';
}

function ownLook({ etcd, node }: Diagnosis): ControlPlaneLook | undefined {
  return etcd.find((each) => each.node === node.name);
}

/** Whoever of the other control planes still hears its etcd. */
function witnesses(diagnosis: Diagnosis): string[] {
  const { etcd, node, rebuild } = diagnosis;
  const members = etcd.flatMap((each) => (each.asked ? each.members ?? [] : []));
  const id = (rebuild?.node === node.name ? rebuild.member : undefined) ?? members.find((member) => member.hostname === node.name)?.id;
  return etcd.filter((each) => each.node !== node.name && each.asked && [...each.peers ?? []].some(([peer, sight]) => sameId(peer, id) && sight === 'active')).map((each) => each.node);
}

/** Every sign of life, in words. A session at the NAS is none: it outlives its board by minutes. */
function lifeOf(diagnosis: Diagnosis): { readonly alive: boolean; readonly told: readonly string[] } {
  const { node, at } = diagnosis;
  const boards = (known(diagnosis.boards) ?? []).filter((board) => board.kind !== 'other' || board.address === node.address);
  const told = boards.map((board) => (board.kind === 'other' ? `a machine at ${board.address}: ${board.told}`
    : `Talos at ${board.address}, ${board.kind === 'configured' ? 'with its config' : 'waiting for a config'}${board.card === 'older' ? ', from an older card of it' : ''}${board.mac ? '' : ', in a board with another MAC'}`));
  if (boards.length === 0 && known(diagnosis.open)) told.push(`port 50000 at ${node.address}, without saying who it is`);
  const kube = known(diagnosis.kubernetes)?.node;
  const heard = kube?.ready === true && (kube.heartbeat === undefined || at - kube.heartbeat < GRACE_MS);
  if (heard) told.push(`its kubelet, as far as Kubernetes knows${kube.heartbeat === undefined ? '' : `: last heard ${ago(at - kube.heartbeat)}, and it takes ${GRACE_MS / 1000} s to notice`}`);
  const etcd = ownLook(diagnosis);
  if (etcd?.asked && etcd.phase === 'running') told.push(`its etcd${etcd.status?.errors ? ` (${etcd.status.errors})` : ''}`);
  const heardBy = witnesses(diagnosis);
  if (heardBy.length > 0 && !etcd?.asked) told.push(`its etcd, as ${heardBy.join(' and ')} hears it`);
  return { alive: told.length > 0, told };
}

function isHealthy(diagnosis: Diagnosis): boolean {
  const home = known(diagnosis.boards)?.find((board) => board.kind === 'configured' && board.address === diagnosis.node.address);
  if (home?.kind !== 'configured' || home.card === 'older' || !home.mac) return false;
  if (known(diagnosis.kubernetes)?.node?.ready !== true) return false;
  if (diagnosis.node.role === 'worker') return true;
  const etcd = ownLook(diagnosis);
  return etcd?.asked === true && etcd.phase === 'running' && etcd.status !== undefined && etcd.status.errors === '' && !etcd.status.learner && etcd.members !== undefined;
}

/** What is broken. A silent board with power may have a dead card, be dead itself, or lack its cable: nothing here can tell. */
function causeOf(diagnosis: Diagnosis, state: Conclusion['state']): string {
  if (state === 'healthy') return 'nothing';
  const { node, power } = diagnosis;
  const boards = known(diagnosis.boards) ?? [];
  const old = boards.find((board) => board.kind !== 'other' && board.card === 'older');
  if (old) return `an older card of it runs at ${old.address}: it is the old board, which has to stay off`;
  const waiting = boards.find((board) => board.kind === 'maintenance');
  if (waiting?.kind === 'maintenance') {
    return waiting.card === 'none' ? 'its board lives; the card in it is not one that was written for this node' : 'board and card live; the node’s config and data are gone from the card';
  }
  const home = boards.find((board) => board.kind === 'configured');
  if (home?.kind === 'configured' && !home.mac) return 'its card runs in another board than cluster.yaml says';
  if (home) return 'board and card live; see its services before it is rebuilt';
  if (boards.length > 0) return 'another machine stands in its place';
  if (known(diagnosis.open)) return `something answers on port 50000 at ${node.address} and does not say who it is`;
  if (power.known && power.value === 'off') return `port ${node.port} of the switch gives no power: that alone explains its silence`;
  if (power.known) return 'it has power and is silent: the card, the board or its cable; which one can’t be told from here (try another card first: it is cheaper)';
  return `it is silent; whether it has power is not known (${power.why})`;
}

function refusal(diagnosis: Diagnosis, way: Conclusion['way'], state: Conclusion['state']): Conclusion['refuse'] {
  const { node, rebuild, cluster, kubernetes, etcd, at } = diagnosis;
  const no = (code: string, reason: string, hint: string, forcible = false): Conclusion['refuse'] => ({ code, reason, hint, forcible });
  const underWay = rebuild?.node === node.name;
  if (rebuild !== undefined && !underWay) {
    return no('E_REBUILD_OTHER', `${rebuild.node} is being rebuilt since ${rebuild.since}`, `Finish it first: \`firstlight rebuild ${cluster} ${rebuild.node}\`. Two at a time is how clusters are lost. Where it can’t go on without ${node.name}, give it up (\`firstlight rebuild ${cluster} ${rebuild.node} --give-up\`), and begin it anew afterwards.`);
  }
  if (!diagnosis.open.known && !diagnosis.boards.known) {
    return no('E_REBUILD_BLIND', `this computer can’t look for ${node.name}: ${diagnosis.open.why}`, 'Mend its network first: a node that can’t be looked for is not dead.');
  }
  // Then it may be this computer that is cut off, and the cluster is well: its last backup would take the place of what lives.
  if (way === 'only' && !underWay && state === 'dead' && diagnosis.boards.known && diagnosis.others.length > 0 && !diagnosis.others.some((each) => each.answers)) {
    return no('E_REBUILD_ALL_SILENT', `no node of ${cluster} answers, not only ${node.name}`,
      `See first that this computer is in the cluster’s network and that the nodes have power. Where they are all dead, the way is \`firstlight restore\`; to rebuild ${node.name} all the same: --force, and type its name.`, true);
  }
  const stranger = known(diagnosis.boards)?.find((board) => board.kind === 'other' && board.address === node.address && board.node !== undefined);
  if (stranger?.kind === 'other') {
    return no('E_REBUILD_ADDRESS', `the machine at ${node.address} is not ${node.name}: ${stranger.told}`, 'Put cards and boards where they belong, or correct the addresses in cluster.yaml.');
  }
  if (way === 'worker' && !kubernetes.known) {
    return no('E_REBUILD_NO_API', `the Kubernetes API can’t be asked to let go of ${node.name}: ${kubernetes.why}`, 'Bring a control plane back first: where one is dead, `firstlight rebuild` it.');
  }
  if (way === 'member' && !underWay) {
    const departure = departureDecision(etcd, { node: node.name }, Math.max(at, ...etcd.map((each) => each.at)));
    if (departure.kind === 'refuse') return no('E_REBUILD_QUORUM', departure.reason, departure.hint);
  }
  if (state === 'healthy' && !underWay) {
    return no('E_REBUILD_HEALTHY', `${node.name} is well: its board answers, Kubernetes has it Ready`, `Nothing has to be rebuilt. To do it all the same: \`firstlight rebuild ${cluster} ${node.name} --force\`, and type its name.`, true);
  }
  return undefined;
}
