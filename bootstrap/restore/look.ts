import { join } from 'node:path';
import { FirstlightError } from '../../lib/errors.ts';
import { withSignal, type Host } from '../../lib/host.ts';
import type { ClusterNode } from '../../nodes/cluster.ts';
import { discover } from '../../nodes/discover.ts';
import { observePower } from '../../nodes/power.ts';
import { tryKubectl } from '../../gitops/kubectl.ts';
import { observeEtcd, type EtcdObservation } from '../../talos/etcd.ts';
import { etcdSnapshot } from '../../talos/talosctl-recover.ts';
import { kubeconfig } from '../../talos/talosctl.ts';
import { createLookout, locateQuietly, type Neighbours } from '../boards.ts';
import type { Facts } from '../facts.ts';
import { known, look } from '../rebuild/diagnose-look.ts';
import { lookAtKey } from './key.ts';
import { lookAtGit } from './look-git.ts';
import { lookAtNas } from './look-nas.ts';
import { isQuorate } from './quorate.ts';
import { switchPassword } from '../steps/boards.ts';
import type { EtcdSight, Later, NodeSight, Proven, RestoreLook } from './types.ts';

/** Milliseconds that each look may take; they go side by side. */
const LOOK_MS = 25_000;
/** Of kube-apiserver on a control plane of Talos (siderolabs/talos:pkg/machinery/constants, DefaultControlPlanePort). */
const API_PORT = 6_443;

/**
 * Looks at everything that a restore could bring back, and changes nothing (but for files in the scratch folder). A machine that does not
 * answer makes a value, never an error. Throws what opening the secrets bundle throws, and the abort.
 */
export async function lookForRestore(host: Host, facts: Facts, proven: Proven): Promise<RestoreLook> {
  const { cluster } = facts;
  const at = host.clock.now();
  // Without it nothing can be asked of any machine: that is no finding about this one.
  await facts.talosconfig(host);
  const [around, etcd, nas, git, key] = await Promise.all([
    look(host, LOOK_MS, createLookout(facts)),
    lookAtEtcd(host, facts, proven),
    cluster.nas ? lookAtNas(host, facts, cluster.nas, proven.archive) : undefined,
    cluster.gitops ? lookAtGit(host, facts, proven.archive) : undefined,
    cluster.gitops ? lookAtKey(host, facts) : undefined,
  ]);
  const nodes = cluster.nodes.map((node) => nodeSight(facts, node, known(around) ?? new Map()));
  const witness = nodes.some(({ state }) => state !== 'lost') || [nas, git].some((sight) => sight !== undefined && sight.kind !== 'beyond') || await switchAnswers(host, facts);
  const blind = !around.known ? around.why : witness ? undefined : 'no node, no NAS, no git host and no switch answers';
  return { at, etcd, nodes, ...(blind === undefined ? {} : { blind }), ...(nas ? { nas } : {}), ...(git ? { git } : {}), ...(key ? { key } : {}) };
}

async function switchAnswers(host: Host, facts: Facts): Promise<boolean> {
  const { power, nodes } = facts.cluster;
  const port = nodes.find((node) => node.port !== undefined)?.port;
  if (!power || port === undefined) return false;
  return (await look(host, LOOK_MS, async (own) => observePower(own, power, await switchPassword(facts, own), port))).known;
}

function nodeSight(facts: Facts, node: ClusterNode, neighbours: Neighbours): NodeSight {
  const located = locateQuietly(facts, node, neighbours);
  switch (located.kind) {
    case 'configured': return { node, state: 'configured', seen: `answers at ${node.address}` };
    case 'maintenance': return { node, state: 'waiting', seen: `waits for its config at ${located.address}` };
    case 'absent': return { node, state: 'lost', seen: located.seen };
  }
}

async function lookAtEtcd(host: Host, facts: Facts, proven: Proven): Promise<EtcdSight> {
  const controlPlanes = facts.cluster.nodes.filter((node) => node.role === 'control plane');
  const observed = await Promise.all(controlPlanes.map((node) => observe(host, facts, node)));
  const running = controlPlanes.filter((_, index) => phaseIs(observed[index]!, 'running'));
  const quorate = await Promise.all(running.map(async (node) => (await isQuorate(host, facts, node) ? [node] : [])));
  const [alive] = quorate.flat();
  if (alive) {
    const revision = await liveRevision(host, facts, alive);
    return { kind: 'lives', node: alive.name, ...(revision === undefined ? {} : { revision }) };
  }
  if (running.length > controlPlanes.length / 2) {
    return { kind: 'unclear', why: `etcd runs on ${running.map(({ name }) => name).join(', ')}, which is a majority, and yet none of them answers a read` };
  }
  // A machine that does not let itself be asked, but serves Kubernetes, is not dead.
  const silent = controlPlanes.filter((_, index) => !observed[index]!.asked).map(({ address }) => address);
  const serving = known(await look(host, LOOK_MS, (own) => discover(own, { addresses: silent, port: API_PORT, timeoutMs: 2_000 }))) ?? [];
  if (serving.length > 0) return { kind: 'unclear', why: `Talos does not answer at ${serving.join(', ')}, and yet a Kubernetes API server does` };
  const holding = controlPlanes.filter((_, index) => holds(observed[index]!));
  const later = await laterOnBoard(host, facts, running, proven);
  const why = controlPlanes.map((node, index) => `${node.name}: ${detailOf(observed[index]!)}`).join('; ');
  return { kind: 'lost', why, holding: holding.map(({ name }) => name), ...(later === undefined ? {} : { later }) };
}

async function observe(host: Host, facts: Facts, node: ClusterNode): Promise<EtcdObservation> {
  const seen = await look(host, LOOK_MS, async (own) => observeEtcd(own, node.name, await facts.access(own, node)));
  return seen.known ? seen.value : { node: node.name, asked: false, seen: seen.why };
}

function phaseIs(seen: EtcdObservation, phase: string): boolean {
  return seen.asked && seen.phase === phase;
}

function holds(seen: EtcdObservation): boolean {
  return seen.asked && (seen.data === 'present' || seen.phase === 'running' || seen.phase === 'failed');
}

function detailOf(seen: EtcdObservation): string {
  // Without the program's own words, which stand in brackets.
  return seen.asked ? `${seen.detail}${seen.data === 'present' ? '' : ', no data'}` : seen.seen.replace(/ \(.*\)$/s, '');
}

/** The revision that lists of Kubernetes carry is etcd's own; undefined where its API server does not answer. */
async function liveRevision(host: Host, facts: Facts, node: ClusterNode): Promise<number | undefined> {
  const seen = await look(host, LOOK_MS, async (own) => {
    await kubeconfig(own, await facts.access(own, node), facts.kubeconfig);
    const { exitCode, stdout } = await tryKubectl(own, facts.kubeconfig, ['get', '--raw', '/api/v1/namespaces?limit=1'], { requestSeconds: 5 });
    return exitCode === 0 ? Number((JSON.parse(stdout) as { metadata?: { resourceVersion?: string } }).metadata?.resourceVersion) : undefined;
  });
  const revision = known(seen);
  return Number.isSafeInteger(revision) ? revision : undefined;
}

/** What a control plane that lost its quorum still knows; where that is more than the archive does. It gives a snapshot all the same. */
async function laterOnBoard(host: Host, facts: Facts, running: readonly ClusterNode[], { archive: { manifest } }: Proven): Promise<Later | undefined> {
  for (const node of running) {
    try {
      const file = join(host.scratch, `left-on-${node.name}.snapshot`);
      const limited = withSignal(host, AbortSignal.timeout(LOOK_MS * 4));
      const { revision } = await etcdSnapshot(limited, await facts.access(limited, node), file, LOOK_MS * 4);
      if (revision > manifest.etcd.revision) return { what: `what ${node.name} still has`, at: new Date(host.clock.now()).toISOString(), revision, file };
    } catch (error) {
      host.signal.throwIfAborted();
      if (!(error instanceof FirstlightError)) throw error;
    }
  }
  return undefined;
}
