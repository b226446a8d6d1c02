import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { waitFor } from '../../../lib/conditions.ts';
import { openRehearsal, type Rehearsal } from '../../support/rehearsal.ts';

// What a rebuild relies on, without it: real Kubernetes and the NAS around a board that is dead, cut off, or back from the dead.

const gandalf = fileURLToPath(new URL('../../../examples/homelab/machines/gandalf', import.meta.url));
const OUT_OF_SERVICE = 'node.kubernetes.io/out-of-service=nodeshutdown:NoExecute';
let rehearsal: Rehearsal;
let kubeconfig: string;

before(async () => {
  rehearsal = await openRehearsal(gandalf);
  ({ kubeconfig } = (await rehearsal.up()).facts);
});
after(async () => { await rehearsal.close(); });

async function kubectl(...args: string[]): Promise<string> {
  return (await rehearsal.host.run({ program: 'kubectl', args: ['--kubeconfig', kubeconfig, ...args] })).stdout;
}

async function eventually(name: string, met: () => Promise<boolean>): Promise<void> {
  await waitFor({
    name, deadlineMs: 180_000, everyMs: 500, hint: 'see what the world says',
    look: async () => (await met() ? { met: true as const, value: undefined } : { met: false as const, seen: 'not yet' }),
  }, rehearsal.host);
}

const isReady = async (node: string): Promise<boolean> => (await kubectl('get', 'node', node, '-o', 'jsonpath={.status.conditions[?(@.type=="Ready")].status}')) === 'True';
/** Nodes to which a volume of Kubernetes' own iSCSI plugin is attached: it has no VolumeAttachment, only its Node's word. */
const attachedTo = async (): Promise<string> => (await kubectl('get', 'nodes', '-o', 'jsonpath={range .items[?(@.status.volumesAttached)]}{.metadata.name} {end}')).trim();

test('a dead board: NotReady when its Lease runs out; the out-of-service taint frees its volume, which finds its data elsewhere', async () => {
  const { world } = rehearsal;
  const first = world.mounts.at(-1)!;
  await world.kill(first.node, 'board');
  assert.deepEqual(world.nas!.sessions(), []);
  await eventually(`${first.node} is NotReady`, async () => !await isReady(first.node));
  assert.match(await kubectl('get', 'node', first.node, '-o', 'jsonpath={.spec.taints[*].key}'), /node\.kubernetes\.io\/unreachable/);
  assert.equal(await attachedTo(), first.node);
  await kubectl('taint', 'node', first.node, OUT_OF_SERVICE);
  await eventually('the claim is mounted on another board', async () => world.mounts.at(-1)!.node !== first.node);
  const second = world.mounts.at(-1)!;
  assert.equal(await attachedTo(), second.node);
  assert.ok('now' in first.finding && first.finding.now && second.finding.kind === 'read back');
  assert.deepEqual(second.finding.before, first.finding.now);
  assert.deepEqual(world.nas!.corruptions(), []);
  await eventually('no pod is left on it', async () => !/\S/.test(await kubectl('get', 'pods', '-A', '--field-selector', `spec.nodeName=${first.node}`, '-o', 'jsonpath={.items[?(@.metadata.ownerReferences[0].kind!="DaemonSet")].metadata.name}')));
  await kubectl('delete', 'node', first.node);
});

test('back from the dead while a spare has its place, the old board comes up at its address and registers its Node again', async () => {
  const { world } = rehearsal;
  const node = world.mounts[0]!.node;
  await world.spare(node);
  await world.blankCard(node);
  const old = await world.revive(node);
  await eventually('the old board is up', async () => old.state() === 'booted');
  await eventually('its Node is there again', async () => await kubectl('get', 'nodes', '-o', 'name').then((text) => text.includes(`node/${node}\n`)) && isReady(node));
  assert.equal(old.address(), rehearsal.cluster.nodes.find(({ name }) => name === node)!.address);
  await world.kill(node, 'card');
  assert.equal(old.state(), 'booted', 'the card that died was the spare’s');
  await old.die();
});

test('a board that is only cut off keeps writing: a volume taken from it without a fence is a corruption, which the NAS notices', async () => {
  const { world } = rehearsal;
  const holder = world.mounts.at(-1)!;
  await world.cutOff(holder.node);
  await eventually(`${holder.node} is NotReady`, async () => !await isReady(holder.node));
  assert.deepEqual(world.nas!.sessions().map(({ initiator }) => initiator), [holder.initiator], 'it keeps its session');
  await kubectl('taint', 'node', holder.node, OUT_OF_SERVICE);
  await eventually('the claim is mounted on another board', async () => world.mounts.at(-1)!.node !== holder.node);
  const next = world.mounts.at(-1)!;
  assert.deepEqual(world.nas!.corruptions().map(({ initiators }) => [...initiators].sort()), [[holder.initiator, next.initiator].sort()]);
  await kubectl('taint', 'node', holder.node, `${OUT_OF_SERVICE}-`);
  await world.rejoin(holder.node);
  await eventually(`${holder.node} is Ready again`, () => isReady(holder.node));
  await eventually('it has let go of the volume', async () => world.nas!.sessions().every(({ initiator }) => initiator === next.initiator));
});
