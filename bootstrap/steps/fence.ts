import { waitFor } from '../../lib/conditions.ts';
import { FirstlightError, problem } from '../../lib/errors.ts';
import type { Host } from '../../lib/host.ts';
import type { ClusterNode } from '../../nodes/cluster.ts';
import { observePower, setPower } from '../../nodes/power.ts';
import { createLookout } from '../boards.ts';
import { answeringPorts, newCardAnswers, runsAtHome, sessionsOf } from '../fence-looks.ts';
import type { Facts } from '../facts.ts';
import type { Step } from '../step.ts';
import { switchPassword } from './boards.ts';

/** Milliseconds: how long a board may still be heard after its power went, may be silent while it restarts, and how long the NAS may take to notice that an initiator is gone. */
const QUIET_MS = 20_000;
const RESTART_MS = 20_000;
const NOTICED_MS = 3 * 60_000;

/** What the switch says of the node's port; `unknown` with the reason where there is no port or the switch can't say. */
type Port = { readonly kind: 'off'; readonly port: number } | { readonly kind: 'on'; readonly port: number } | { readonly kind: 'unknown'; readonly why: string };

/**
 * The board that ran this node is off before anything of its is taken (tenet 3): its PoE port gives no power, read back; or, where there
 * is no port or the switch can't say, a person says so by typing the node's name, once a run. A second witness always: nothing
 * answers at the node's address. Done too where the card of `facts.nonces` runs: then nothing of the old board does. What vouches is kept
 * in `facts.fences`. Throws `E_FENCE_ALIVE`, `E_FENCE_NOT_CONFIRMED`, `E_POWER_…`, `E_DEADLINE` where the port never goes off.
 */
export function fenceStep(facts: Facts, node: ClusterNode, { needs }: { readonly needs: readonly string[] }): Step {
  const lookout = createLookout(facts);
  return {
    id: `fence:${node.name}`,
    part: 'Fence',
    title: `The old board of ${node.name} is off`,
    node: node.name,
    needs,
    lane: 'switch',
    danger: `The power of ${node.name} is cut.`,
    async observe(host) {
      if (newCardAnswers(facts, node, await lookout(host))) return vouched(facts, node, { by: 'new card', text: `${node.name} runs from its new card` });
      const port = await portOf(facts, node, host);
      if (port.kind === 'on') return { state: 'needed', why: `port ${port.port} gives power: to be switched off` };
      if (port.kind === 'unknown' && facts.fences.get(node.name)?.by !== 'person') return { state: 'needed', why: `${port.why}: a person has to confirm that the board is off` };
      await requireSilence(host, node, port, 0);
      return port.kind === 'off'
        ? vouched(facts, node, { by: 'switch', text: `port ${port.port} of the switch ${facts.cluster.power!.address} gives no power, read back` })
        : { state: 'done', detail: facts.fences.get(node.name)!.text };
    },
    async act(host) {
      const port = await portOf(facts, node, host);
      if (port.kind === 'on') {
        // What answers and can't be asked just now may be the new board, in the middle of its start or of joining etcd.
        if ((await answeringPorts(host, node)).length > 0 && await runsAtHome(facts, host, node) === 'none' && await newCardComes(facts, host, node)) return;
        await setPower(host, facts.cluster.power!, await switchPassword(facts, host), port.port, 'off');
        host.emit({ code: 'fence.off', message: `port ${port.port} gives no power any more` });
      }
      if (port.kind === 'unknown') await confirm(facts, node, host, port.why);
      await requireSilence(host, node, port, QUIET_MS);
      if (port.kind === 'unknown') await requireNoSession(facts, node, host);
    },
  };
}

/**
 * The fence is still up: to be asked just before each act that moves volumes, removes a member or bootstraps. Throws `E_FENCE_BROKEN`
 * where the old board is back (it answers, its port gives power and the new card does not run, or after a person's word alone the NAS
 * has a session of it), and where nobody can say any more.
 */
export async function stillFenced(facts: Facts, host: Host, node: ClusterNode): Promise<void> {
  const home = await runsAtHome(facts, host, node);
  if (home === 'new') return;
  if (home !== 'none') throw broken(node, `${home} answers at ${node.address}`);
  const port = await portOf(facts, node, host);
  if (port.kind === 'on') {
    if (await newCardComes(facts, host, node)) return;
    throw broken(node, `port ${port.port} gives power, and the new card of ${node.name} does not answer`);
  }
  const open = await answeringPorts(host, node);
  if (open.length > 0) throw broken(node, `${node.address} answers on port ${open.join(' and ')}`);
  if (port.kind === 'off') return;
  if (facts.fences.get(node.name)?.by !== 'person') throw broken(node, `whether its board is off can't be seen any more: ${port.why}`);
  const sessions = await sessionsOf(facts, host, node);
  if (sessions.length > 0) throw broken(node, `the NAS has a session from ${node.address} (${sessions.join(', ')})`);
}

/** A board that just restarts is given a moment to say again whose card it runs. */
async function newCardComes(facts: Facts, host: Host, node: ClusterNode): Promise<boolean> {
  const lookout = createLookout(facts);
  return waitFor({
    name: `the new card of ${node.name} answers`, deadlineMs: RESTART_MS, everyMs: 1_000, hint: '',
    look: async () => (newCardAnswers(facts, node, await lookout(host)) ? { met: true, value: true } : { met: false, seen: 'it does not' }),
  }, host).catch((error: unknown) => {
    if (error instanceof FirstlightError && error.code === 'E_DEADLINE') return false;
    throw error;
  });
}

function vouched(facts: Facts, node: ClusterNode, vouch: NonNullable<ReturnType<Facts['fences']['get']>>) {
  facts.fences.set(node.name, vouch);
  return { state: 'done', detail: vouch.text } as const;
}

async function portOf(facts: Facts, node: ClusterNode, host: Host): Promise<Port> {
  const { power } = facts.cluster;
  if (!power) return { kind: 'unknown', why: 'the cluster has no PoE switch' };
  if (node.port === undefined) return { kind: 'unknown', why: `${node.name} has no port on the PoE switch` };
  try {
    const kind = await observePower(host, power, await switchPassword(facts, host), node.port);
    return { kind, port: node.port };
  } catch (error) {
    host.signal.throwIfAborted();
    if (!(error instanceof FirstlightError) || !(error.code.startsWith('E_SSH_') || error.code === 'E_POWER_ANSWER')) throw error;
    return { kind: 'unknown', why: `the switch can't say (${error.message})` };
  }
}

async function confirm(facts: Facts, node: ClusterNode, host: Host, why: string): Promise<void> {
  if (facts.fences.get(node.name)?.by === 'person') return;
  host.emit({ code: 'fence.person', message: `! ${why}: nobody but you can vouch that the old board of ${node.name} is off. If it runs, its volumes get two writers.` });
  const answer = await host.ask({ code: 'fence.confirm', text: `Unplug the board that ran ${node.name} (${node.address}), its power and its network. Type ${node.name} to confirm that it is off:` });
  if (answer !== node.name) {
    throw problem('E_FENCE_NOT_CONFIRMED', `nobody confirmed that the old board of ${node.name} is off: nothing was taken from it`,
      'Unplug it and answer with the node’s name.', { where: { node: node.name } });
  }
  facts.fences.set(node.name, { by: 'person', text: `! a person's word alone: ${why}` });
  host.emit({ code: 'fence.vouched', message: `a person vouches that the old board of ${node.name} is off; no machine does`, data: { by: 'person' } });
}

/** The second witness: nothing answers at the node's address, at the latest after `withinMs`. */
async function requireSilence(host: Host, node: ClusterNode, port: Port, withinMs: number): Promise<void> {
  let open: readonly string[] = [];
  const silent = waitFor({
    name: `nothing answers at ${node.address}`, deadlineMs: withinMs, hint: '',
    look: async () => {
      open = await answeringPorts(host, node);
      return open.length === 0 ? { met: true, value: true } : { met: false, seen: `port ${open.join(' and ')} answers` };
    },
  }, host);
  await silent.catch((error: unknown) => {
    if (!(error instanceof FirstlightError) || error.code !== 'E_DEADLINE') throw error;
    const said = port.kind === 'unknown' ? `a person said that the old board of ${node.name} is off` : `port ${port.port} gives no power`;
    throw problem('E_FENCE_ALIVE', `${said}, yet ${node.address} still answers on port ${open.join(' and ')}: nothing was taken from it`,
      port.kind === 'unknown' ? 'Unplug the board that has this address, then run again.' : `The board of ${node.name} hangs on another port or has another supply: correct its port in cluster.yaml, or unplug it.`, { where: { node: node.name } });
  });
}

async function requireNoSession(facts: Facts, node: ClusterNode, host: Host): Promise<void> {
  let held: readonly string[] = [];
  await waitFor({
    name: `the NAS has no session from ${node.address}`, deadlineMs: NOTICED_MS, everyMs: 1_000, hint: '',
    look: async () => {
      held = await sessionsOf(facts, host, node);
      return held.length === 0 ? { met: true, value: true } : { met: false, seen: held.join(', ') };
    },
  }, host).catch((error: unknown) => {
    if (!(error instanceof FirstlightError) || error.code !== 'E_DEADLINE') throw error;
    throw problem('E_FENCE_ALIVE', `a person said that the old board of ${node.name} is off, yet the NAS still has its session (${held.join(', ')}): nothing was taken from it`,
      'A board that is off loses its sessions within minutes. See in SAN Manager who it is, unplug that board, and run again.', { where: { node: node.name } });
  });
}

function broken(node: ClusterNode, what: string): FirstlightError {
  return problem('E_FENCE_BROKEN', `the old board of ${node.name} is not off any more: ${what}`,
    `Unplug it (its card stays out), and run the same command again: it goes on where it stopped.`, { where: { node: node.name } });
}
