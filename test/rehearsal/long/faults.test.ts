import assert from 'node:assert/strict';
import { open, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { parseDocument } from 'yaml';
import { createBlankCard, readState, writeMeta } from '../../../lab/pi/card.ts';
import { FirstlightError } from '../../../lib/errors.ts';
import { parseGpt } from '../../../lib/gpt.ts';
import type { Question } from '../../../lib/host.ts';
import { encodeStamp, STAMP_KEY } from '../../../talos/stamp.ts';
import { until } from '../../support/processes.ts';
import { openRehearsal, type Rehearsal } from '../../support/rehearsal.ts';

// One world, and one trouble after another on the road through it: each `up` must end with one coded error that names node
// and step, must have written nothing beyond the trouble, and the next `up` goes on from there until the cluster is up.

const gandalf = fileURLToPath(new URL('../../../examples/homelab/machines/gandalf', import.meta.url));
let rehearsal: Rehearsal;
let kubeconfig: string;

before(async () => { rehearsal = await openRehearsal(gandalf); });
after(async () => { await rehearsal.close(); });

/** What of the outside has been written to so far. */
function written(): { readonly nas: number; readonly pushes: number } {
  const { nas, git } = rehearsal.world;
  return { nas: nas!.requests.filter((request) => request.wrote).length, pushes: git!.pushes.length };
}

async function failure(work: Promise<unknown>): Promise<FirstlightError> {
  const error = await work.then(() => undefined, (reason: unknown) => reason);
  assert.ok(error instanceof FirstlightError, `expected a coded error, got ${String(error)}`);
  assert.ok(error.hint.length > 10);
  return error;
}

test('image bytes missing on one card: its board stays dark, the error names it, nothing else is written', async () => {
  const { world } = rehearsal;
  const damaged = world.places[3]!;
  const clumsy = async (question: Question): Promise<string | undefined> => {
    if (question.code === 'cards.insert') await eraseBootFiles(damaged.card);
    return world.hands(question);
  };
  const error = await failure(rehearsal.up({ bootMs: 10_000, hands: clumsy }));
  assert.equal(error.code, 'E_DEADLINE');
  assert.deepEqual(error.where, { step: `board:${damaged.node}`, node: damaged.node });
  assert.equal(damaged.board.state(), 'no boot');
  assert.ok(world.places.every((place) => place.board.state() !== 'booted'));
  assert.deepEqual(written(), { nas: 0, pushes: 0 });
});

test('two cards swapped between boards: refused with both names, no board configured, nothing else written', async () => {
  const { world } = rehearsal;
  const [, one, two] = world.places;
  const swapping = async (question: Question): Promise<string | undefined> => {
    const answer = await world.hands(question);
    if (question.code !== 'cards.insert') return answer;
    await putInto(one!, two!.card);
    await putInto(two!, one!.card);
    return answer;
  };
  const error = await failure(rehearsal.up({ hands: swapping }));
  assert.equal(error.code, 'E_IDENTITY_OTHER_NODE');
  assert.match(error.message, /the board of gandalf-w-1 .* booted the card of gandalf-w-2; the board of gandalf-w-2 .* booted the card of gandalf-w-1/);
  assert.match(error.where.step ?? '', /^board:/);
  assert.equal(error.where.node, 'gandalf-w-1');
  assert.ok(world.places.every((place) => place.board.state() !== 'booted'));
  assert.deepEqual(written(), { nas: 0, pushes: 0 });
  await putInto(one!, one!.card);
  await putInto(two!, two!.card);
});

test('another cluster’s card in a board: refused with both names, and it gets no config', async () => {
  const { world } = rehearsal;
  const one = world.places[1]!;
  const foreign = join(dirname(one.card), 'foreign.img');
  await rehearsal.host.run({ program: 'cp', args: ['--sparse=always', one.card, foreign] });
  await writeMeta(foreign, new Map([[STAMP_KEY, encodeStamp({ cluster: 'saruman', node: 'orthanc', nonce: 'aa' })]]));
  const mistaken = async (question: Question): Promise<string | undefined> => {
    const answer = await world.hands(question);
    if (question.code === 'cards.insert') await putInto(one, foreign);
    return answer;
  };
  await putInto(one, foreign);
  const error = await failure(rehearsal.up({ hands: mistaken }));
  assert.equal(error.code, 'E_IDENTITY_OTHER_CLUSTER');
  assert.match(error.message, /booted the card of orthanc of cluster saruman, not that of gandalf-w-1 of gandalf/);
  assert.equal(error.where.node, 'gandalf-w-1');
  assert.deepEqual(await readState(foreign), {});
  assert.ok(world.places.every((place) => place.board.state() !== 'booted'));
  assert.deepEqual(written(), { nas: 0, pushes: 0 });
  await putInto(one, one.card);
});

test('a wrong CHAP secret: the iSCSI login tells it, and git is not written to', async () => {
  await rehearsal.world.nas!.fail({ kind: 'wrong chap' });
  const error = await failure(rehearsal.up());
  assert.match(error.code, /^E_(ISCSI_AUTH|STORAGE_.*)$/);
  assert.match(error.where.step ?? '', /^storage/);
  assert.match(error.message, /gandalf-data/);
  assert.equal(written().pushes, 0);
  await rehearsal.world.nas!.fail(undefined);
});

test('a git host that refuses the push: told in the remote’s words, the NAS untouched by it', async () => {
  await rehearsal.world.git!.fail('refuse-push');
  const error = await failure(rehearsal.up());
  assert.equal(error.code, 'E_GIT_PUSH_REFUSED');
  assert.equal(error.where.step, 'csi-secret');
  assert.equal(written().pushes, 0);
  await rehearsal.world.git!.fail(undefined);
});

test('with every trouble mended, up goes on to the end; once more, it has nothing to do and writes nothing', async () => {
  const first = await rehearsal.up();
  const done = first.result.steps.filter((end) => end.end === 'done').map((end) => end.step.id);
  for (const id of ['bundle', 'credentials', 'cards', 'etcd', 'storage']) assert.ok(!done.includes(id), `${id} was done before`);
  assert.ok(done.includes('flux'));
  kubeconfig = first.facts.kubeconfig;
  const before = written();
  const lock = await readFile(first.facts.lockFile, 'utf8');
  const again = await rehearsal.up();
  assert.deepEqual(again.result.steps.filter((end) => end.end !== 'already').map((end) => end.step.id), []);
  assert.deepEqual(written(), before);
  assert.equal(await readFile(first.facts.lockFile, 'utf8'), lock);
});

test('the power of the board with the volume is cut: its session is gone at once; back, it finds its own canary', async () => {
  const { world } = rehearsal;
  const nas = world.nas!;
  const [first, ...others] = world.mounts;
  assert.ok(first?.finding.kind === 'written' && others.length === 0 && first.claim === 'gitea/gitea');
  const { board } = world.places.find(({ node }) => node === first.node)!;
  assert.deepEqual(nas.sessions().map(({ initiator }) => initiator), [first.initiator]);
  await board.powerOff();
  await until('the session is gone', 5_000, () => nas.sessions().length === 0);
  await board.powerOn();
  await until('the claim is mounted again', 60_000, () => world.mounts.length === 2);
  const again = world.mounts[1]!;
  assert.deepEqual([again.node, again.initiator], [first.node, first.initiator]);
  assert.deepEqual(again.finding, { kind: 'read back', before: first.finding.now, now: { ...first.finding.now, count: 2 } });
  assert.deepEqual(nas.corruptions(), []);
});

test('the board of kustomize-controller dies: it runs on another board, and Flux reconciles on', async () => {
  const { world, host } = rehearsal;
  const kubectl = async (...args: string[]): Promise<string> => (await host.run({ program: 'kubectl', args: ['--kubeconfig', kubeconfig, '-n', 'flux-system', ...args] })).stdout;
  const nodeOf = () => kubectl('get', 'pods', '-l', 'app=kustomize-controller', '-o', 'jsonpath={.items[*].spec.nodeName}');
  const node = await nodeOf();
  await kubectl('cordon', node);
  await world.places.find((place) => place.node === node)!.board.powerOff();
  // What Kubernetes does by itself after the 50 s until the node is NotReady and the 300 s until its pods are evicted.
  await kubectl('delete', 'pods', '--field-selector', `spec.nodeName=${node}`, '--force', '--grace-period=0', '--wait=false');
  for (const name of ['source-controller', 'kustomize-controller']) await kubectl('rollout', 'status', `deployment/${name}`, '--timeout=60s');
  assert.notEqual(await nodeOf(), node);
  await host.run({ program: 'flux', args: ['--kubeconfig', kubeconfig, 'reconcile', 'kustomization', 'flux-system', '--with-source', '--timeout=60s'] });
});

test('every card is lost, and etcd with them: up makes the cluster anew from the repository, and the claim finds its data on the NAS', async () => {
  const { world } = rehearsal;
  const nas = world.nas!;
  const before = world.mounts.at(-1)!;
  const changes = written();
  for (const { board, card } of world.places) {
    await board.powerOff();
    for (const name of await readdir(dirname(card))) if (name.startsWith(basename(card))) await rm(join(dirname(card), name), { recursive: true });
    await createBlankCard(card);
  }
  assert.match((await failure(rehearsal.up())).message, /its data is gone from every control plane/);
  // There is no snapshot: the owner says that the old etcd is not to be waited for.
  const lock = join(world.clusterFolder, 'firstlight.lock.yaml');
  const pins = parseDocument(await readFile(lock, 'utf8'));
  pins.delete('etcd');
  await writeFile(lock, pins.toString());
  await rehearsal.up();
  const found = world.mounts.at(-1)!;
  assert.ok('now' in before.finding && before.finding.now && found.finding.kind === 'read back');
  assert.deepEqual(found.finding.before, before.finding.now);
  assert.notEqual(found.initiator, before.initiator, 'a new card makes a new initiator');
  assert.deepEqual(nas.corruptions(), []);
  assert.equal(written().nas, changes.nas, 'the NAS was only read');
});

/** Puts a card into a board as one does: power off, card, power on. */
async function putInto(place: Rehearsal['world']['places'][number], card: string): Promise<void> {
  await place.board.powerOff();
  place.board.insertCard(card);
  await place.board.powerOn();
}

/** Zeroes the start of the EFI partition of a card, as a bad spot would. */
async function eraseBootFiles(card: string): Promise<void> {
  const file = await open(card, 'r+');
  try {
    const head = Buffer.alloc(1024 * 1024);
    await file.read(head, 0, head.length, 0);
    const efi = parseGpt(head)?.partitions.find((partition) => partition.label === 'EFI');
    assert.ok(efi);
    await file.write(Buffer.alloc(64 * 1024), 0, 64 * 1024, efi.start);
  } finally {
    await file.close();
  }
}
