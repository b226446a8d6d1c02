import type { Host } from '../../lib/host.ts';
import { readLock } from '../../lib/lock-file.ts';
import type { ClusterNode } from '../../nodes/cluster.ts';
import { discover } from '../../nodes/discover.ts';
import { observePower } from '../../nodes/power.ts';
import { problem } from '../../lib/errors.ts';
import { claimedNode, type Identity } from '../../talos/identity.ts';
import type { ControlPlaneLook } from '../../talos/quorum.ts';
import { lookAtMember } from '../../talos/quorum-look.ts';
import { createLookout, type Neighbours } from '../boards.ts';
import type { Facts } from '../facts.ts';
import { switchPassword } from '../steps/boards.ts';
import { contentsOfNas } from '../storage-view.ts';
import { lookAtKubernetes } from './diagnose-kubernetes.ts';
import { known, look } from './diagnose-look.ts';
import type { AtHand, BoardSight, Diagnosis, HeldSession, KubernetesSight, Seen } from './diagnosis.ts';

/** Milliseconds that each look may take; they go side by side. */
const LOOK_MS = 25_000;
const TALOS_PORT = 50_000;

/**
 * Looks at everything that tells how a node is, and changes nothing (but for the kubeconfig in the scratch folder). A machine that does
 * not answer makes a value with the reason, never an error. `backups` tells what a restore could take. Throws what opening the secrets
 * bundle throws, and the abort.
 */
export async function diagnose(host: Host, facts: Facts, node: ClusterNode, backups: (host: Host) => Promise<readonly AtHand[]>): Promise<Diagnosis> {
  const { cluster } = facts;
  const controlPlanes = cluster.nodes.filter((each) => each.role === 'control plane');
  const at = host.clock.now();
  const lock = await readLock(facts.lockFile);
  // Without it nothing can be asked of any machine: that is no finding about this one.
  await facts.talosconfig(host);
  const nonce = lock.rebuild?.node === node.name ? lock.rebuild.nonce : lock.cards[node.name];
  const knocking = look(host, 5_000, (own) => discover(own, { addresses: [...new Set([node, ...controlPlanes].map((each) => each.address))], port: TALOS_PORT, timeoutMs: 2_000 }));
  const asking = knocking.then((open) => controlPlanes.filter((each) => known(open)?.includes(each.address)));
  const [open, power, around, etcd, kubernetes, sessions, atHand] = await Promise.all([
    knocking,
    look(host, LOOK_MS, (own) => powerOf(own, facts, node)),
    look(host, LOOK_MS, createLookout(facts)),
    asking.then((open) => Promise.all(controlPlanes.map((each) => etcdOf(host, facts, each, open.includes(each))))),
    asking.then((open) => kubernetesOf(host, facts, node, open)),
    look(host, LOOK_MS, (own) => sessionsOf(own, facts, node)),
    look(host, LOOK_MS, backups),
  ]);
  return {
    cluster: cluster.name, node, at, controlPlanes: controlPlanes.map((each) => each.name), power, etcd, kubernetes, sessions, nas: cluster.nas !== undefined, backups: atHand,
    ...(lock.rebuild === undefined ? {} : { rebuild: lock.rebuild }),
    open: open.known ? { known: true, value: open.value.includes(node.address) } : open,
    boards: around.known ? { known: true, value: boardsOf(facts, node, around.value, nonce) } : around,
    others: cluster.nodes.filter((each) => each.name !== node.name).map((each) => {
      const ready = known(kubernetes)?.ready[each.name];
      return { node: each.name, answers: isAtHome(known(around)?.get(each.address), each), ...(ready === undefined ? {} : { ready }) };
    }),
  };
}

async function powerOf(host: Host, facts: Facts, node: ClusterNode) {
  const { power } = facts.cluster;
  if (!power) throw problem('E_POWER_NONE', 'cluster.yaml declares no switch', 'Add a section switch.');
  if (node.port === undefined) throw problem('E_POWER_NONE', `${node.name} has no port at the switch in cluster.yaml`, 'Add its port.');
  return observePower(host, power, await switchPassword(facts, host), node.port);
}

async function etcdOf(host: Host, facts: Facts, node: ClusterNode, open: boolean): Promise<ControlPlaneLook> {
  const silent = (seen: string): ControlPlaneLook => ({ node: node.name, address: node.address, at: host.clock.now(), asked: false, seen });
  if (!open) return silent('nothing answers on port 50000');
  const seen = await look(host, LOOK_MS, async (own) => lookAtMember(own, node, await facts.access(own, node)));
  return seen.known ? seen.value : silent(seen.why);
}

async function kubernetesOf(host: Host, facts: Facts, node: ClusterNode, answer: readonly ClusterNode[]): Promise<Seen<KubernetesSight>> {
  if (answer.length === 0) return { known: false, why: 'no control plane answers' };
  // The node itself last: what it says of itself is worth less.
  const order = answer.toSorted((one, other) => Number(one.name === node.name) - Number(other.name === node.name));
  return look(host, LOOK_MS, (own) => lookAtKubernetes(own, facts, node, order));
}

async function sessionsOf(host: Host, facts: Facts, node: ClusterNode): Promise<readonly HeldSession[]> {
  if (!facts.cluster.nas) return [];
  const { targets } = await contentsOfNas(host, facts);
  return targets.flatMap((target) => target.connected_sessions.filter((session) => session.ip === node.address).map((session) => ({ target: target.iqn, initiator: session.iqn })));
}

/** The machines that may be the node's board: those that say so, that have its MAC, or that stand at its address. */
function boardsOf(facts: Facts, node: ClusterNode, neighbours: Neighbours, nonce: string | undefined): readonly BoardSight[] {
  return [...neighbours.values()].flatMap((identity): BoardSight[] => {
    const { address } = identity;
    const mac = 'macs' in identity && identity.macs.includes(node.mac);
    if ((identity.kind === 'configured' || identity.kind === 'maintenance') && claimedNode(facts.cluster, identity)?.name === node.name) {
      const stamp = identity.stamp?.cluster === facts.cluster.name && identity.stamp.node === node.name ? identity.stamp : undefined;
      const card = stamp === undefined ? 'none' : nonce === undefined ? 'unknown' : stamp.nonce === nonce ? 'current' : 'older';
      return [{ kind: identity.kind, address, card, mac }];
    }
    const claimed = claimedNode(facts.cluster, identity)?.name;
    return mac || address === node.address ? [{ kind: 'other', address, told: told(identity), ...(claimed === undefined ? {} : { node: claimed }) }] : [];
  });
}

function told(identity: Identity): string {
  switch (identity.kind) {
    case 'silent': return identity.seen;
    case 'foreign': return `it runs Talos as “${identity.name}”, not for this cluster`;
    case 'configured': return `it is ${identity.hostname} of this cluster`;
    case 'maintenance': return `it waits for a config with ${identity.stamp ? `the card of ${identity.stamp.node} of cluster ${identity.stamp.cluster}` : 'a card without a stamp'}`;
  }
}

function isAtHome(identity: Identity | undefined, node: ClusterNode): boolean {
  return identity?.kind === 'configured' && identity.hostname === node.name;
}
