import assert from 'node:assert/strict';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { Rebuilt, RebuildRequest } from '../../../bootstrap/rebuild/rebuild.ts';
import { recoveryFolder } from '../../../bootstrap/recovery/keep.ts';
import { observeSuspension } from '../../../gitops/flux-suspend.ts';
import { applyObjects, getObjects, kubectl } from '../../../gitops/kubectl.ts';
import { waitFor } from '../../../lib/conditions.ts';
import type { Question, RunEvent } from '../../../lib/host.ts';
import { readLock } from '../../../lib/lock-file.ts';
import { rebuildSummary } from '../../../scripts/terminal/rebuild.ts';
import { proveSnapshot, type SnapshotProof } from '../../../talos/snapshot.ts';
import { copyDatabase, etcdSnapshot } from '../../../talos/talosctl-recover.ts';
import type { Access } from '../../../talos/talosctl.ts';
import type { Bundle } from '../../../talos/secrets.ts';
import { rebuildIn, upAgain, type Disturbed } from '../../support/rebuild.ts';
import { openRehearsal, type Rehearsal } from '../../support/rehearsal.ts';
import { wellAgain } from '../../support/rebuilt.ts';

// The only control plane of Gandalf dies again and again in one world, and its etcd comes back: from a snapshot that is older than what
// lives, from the board itself, from nothing; with the run cut off at every boundary, with the old board coming back, with git set back.

const CP = 'gandalf-cp-1';
const WORKERS = ['gandalf-w-1', 'gandalf-w-2', 'gandalf-w-3'];
let rehearsal: Rehearsal;
let kubeconfig: string;
let access: Access;
let bundle: Bundle;
let snapshot: string;
let proof: SnapshotProof;

before(async () => {
  rehearsal = await openRehearsal(fileURLToPath(new URL('../../../examples/homelab/machines/gandalf', import.meta.url)));
  const { facts } = await rehearsal.up();
  kubeconfig = facts.kubeconfig;
  access = await facts.access(rehearsal.host, rehearsal.cluster.nodes[0]!);
  bundle = await facts.bundle(rehearsal.host);
});
after(() => rehearsal.close());

const objects = (...args: string[]) => getObjects(rehearsal.host, kubeconfig, args);

/** The id of each worker's boot: another one after a restart of the machine. */
async function boots(): Promise<string[]> {
  return (await objects('nodes')).filter((node) => WORKERS.includes(node.metadata.name)).map((node) => (node.status?.['nodeInfo'] as { bootID: string }).bootID);
}

async function rebuilt(request: Omit<RebuildRequest, 'node'> = {}, disturbed: Disturbed = {}): Promise<Rebuilt> {
  const before = await boots().catch(() => undefined);
  const done = await rebuildIn(rehearsal, { node: CP, ...request }, disturbed);
  await wellAgain(rehearsal, kubeconfig, done);
  if (before) assert.deepEqual(await boots(), before, 'no worker was restarted');
  await fluxActs();
  return done;
}

async function fluxActs(): Promise<void> {
  const { acting, ours, owners } = await observeSuspension(rehearsal.host, kubeconfig);
  assert.deepEqual([ours, owners], [[], []]);
  assert.ok(acting.includes('kustomization flux-system/apps'));
}

async function die(what: 'board' | 'card' | 'both'): Promise<string | undefined> {
  await rehearsal.world.kill(CP, what);
  const mac = what === 'card' ? undefined : await rehearsal.world.spare(CP);
  await rehearsal.world.blankCard(CP);
  return mac;
}

/** Waits until the pod runs, somewhere else than on the node named, and gives where. */
function runs(namespace: string, name: string, not?: string): Promise<string> {
  return waitFor({
    name: `${namespace}/${name} runs`, deadlineMs: 180_000, everyMs: 500, hint: '',
    look: async () => {
      const [pod] = await objects('-n', namespace, `pod/${name}`);
      const on = String(pod?.spec?.['nodeName']);
      return pod?.status?.['phase'] === 'Running' && on !== not ? { met: true, value: on } : { met: false, seen: String(pod?.status?.['phase']) };
    },
  }, rehearsal.host);
}

/** Moves the application on the LUN to another worker. */
async function move(): Promise<void> {
  const on = await runs('gitea', 'gitea-0');
  await kubectl(rehearsal.host, kubeconfig, ['cordon', on]);
  await kubectl(rehearsal.host, kubeconfig, ['delete', 'pod', 'gitea-0', '-n', 'gitea']);
  await runs('gitea', 'gitea-0', on);
  await kubectl(rehearsal.host, kubeconfig, ['uncordon', on]);
}

const withoutSnapshot = async (question: Question): Promise<string | undefined> => (question.code === 'rebuild.without-snapshot' ? 'without a snapshot' : undefined);

test('a snapshot and a raw copy are taken and proven: Secrets that a real API server encrypted open with the bundle', async () => {
  const { host } = rehearsal;
  await applyObjects(host, kubeconfig, [{ apiVersion: 'v1', kind: 'Node', metadata: { name: 'ghost' } },
    { apiVersion: 'storage.k8s.io/v1', kind: 'VolumeAttachment', metadata: { name: 'of-a-ghost' }, spec: { attacher: 'nobody', nodeName: 'ghost', source: { persistentVolumeName: 'gandalf-data' } } }]);
  snapshot = join(host.scratch, 'taken.snapshot');
  await etcdSnapshot(host, access, snapshot);
  proof = await proveSnapshot(host, snapshot, bundle);
  assert.deepEqual([proof.secrets, proof.authority], ['decrypt', 'ours']);
  assert.ok(proof.objects.some(({ kind, namespace }) => kind === 'kustomizations.kustomize.toolkit.fluxcd.io' && namespace === 'flux-system'));
  const [namespace] = await objects('namespace/kube-system');
  assert.equal(proof.uid, namespace!.metadata['uid']);
  const copy = join(host.scratch, 'taken.db');
  await copyDatabase(host, access, copy);
  const copied = await proveSnapshot(host, copy, bundle, 'copy');
  assert.deepEqual([copied.secrets, copied.uid], ['decrypt', proof.uid]);
  await kubectl(host, kubeconfig, ['delete', 'node/ghost', 'volumeattachment/of-a-ghost', '--wait=false']);
  await move();
});

test('a damaged snapshot, or none and no word, stops it before anything is touched', async () => {
  const mac = await die('card');
  const damaged = join(rehearsal.host.scratch, 'damaged.snapshot');
  const bytes = readFileSync(snapshot);
  bytes[bytes.length >> 1]! ^= 1;
  writeFileSync(damaged, bytes);
  const from = rehearsal.host.events.length;
  await assert.rejects(rebuildIn(rehearsal, { node: CP, snapshot: damaged }), { code: 'E_SNAPSHOT_DIGEST' });
  await assert.rejects(rebuildIn(rehearsal, { node: CP }, { hands: async (question) => (question.code === 'rebuild.without-snapshot' ? 'yes' : undefined) }), { code: 'E_REBUILD_NO_SNAPSHOT' });
  assert.equal(mac, undefined);
  assert.deepEqual(rehearsal.host.events.slice(from).filter((event) => event.code === 'step.acting'), []);
  assert.equal((await readLock(join(rehearsal.world.clusterFolder, 'firstlight.lock.yaml'))).rebuild, undefined);
});

test('with a snapshot from before the application moved: one command, no ghost, no second writer, Flux goes on', async () => {
  const from = rehearsal.host.events.length;
  const done = await rebuilt({ snapshot });
  const told = rehearsal.host.events.slice(from).flatMap((event) => event.message ?? []);
  assert.ok(told.some((line) => line.startsWith('node ghost deleted')) && told.some((line) => line.startsWith('volumeattachment of-a-ghost deleted')));
  assert.match(done.source ?? '', new RegExp(`revision ${proof.revision}, .*Secrets open with the bundle`));
  assert.match(rebuildSummary(done), new RegExp(`${CP} is rebuilt: [\\d.]+ (s|min)`));
  assert.ok(!readFileSync(join(recoveryFolder(done.cluster, CP), 'etcd.snapshot.age')).includes('/registry/'), 'what was kept is encrypted');
});

test('forced on a board that answers: it gives a fresh snapshot, and what was made a moment before is there afterwards', async () => {
  await move();
  await kubectl(rehearsal.host, kubeconfig, ['create', 'secret', 'generic', 'late', '--from-literal=a=b', '-n', 'default']);
  const done = await rebuilt({ force: true }, { hands: async (question) => (question.code === 'rebuild.force' ? CP : undefined) });
  assert.match(done.source ?? '', /a snapshot that gandalf-cp-1 gave now/);
  assert.equal((await objects('-n', 'default', 'secret/late')).length, 1);
});

test('git set back behind the cluster: all is back, Flux stays suspended with the reason; the same command goes on when git is right', async () => {
  const { host, world } = rehearsal;
  const mac = await die('both');
  const bare = join(dirname(dirname(dirname(world.clusterFolder))), 'git', new URL(rehearsal.cluster.gitops!.url).pathname);
  assert.ok(existsSync(bare), bare);
  const git = async (...args: string[]): Promise<string> => (await host.run({ program: 'git', args, cwd: bare })).stdout.trim();
  const tip = await git('rev-parse', 'main');
  await git('update-ref', 'refs/heads/main', await git('rev-parse', 'main~1'));
  const late = join(host.scratch, 'late.snapshot');
  writeFileSync(late, readFileSync(snapshot));
  await assert.rejects(rebuildIn(rehearsal, { node: CP, mac: mac!, snapshot: late }), (error: { code?: string; hint?: string }) => error.code === 'E_FLUX_GIT_OLDER' && /flux resume/.test(error.hint ?? ''));
  assert.deepEqual((await observeSuspension(host, kubeconfig)).acting, []);
  await git('update-ref', 'refs/heads/main', tip);
  await rebuilt({ mac: mac! });
});

/** Cuts the run off as one step after another begins to act, as etcd is there, and as the end is written, until it goes through; gives the moments. */
async function cutOffEverywhere(request: Omit<RebuildRequest, 'node'>, hands?: Disturbed['hands']): Promise<Set<string>> {
  const ways = new Set<string>();
  for (let cuts = 0; cuts < 60; cuts += 1) {
    let cut: RunEvent | undefined;
    const error = await rebuildIn(rehearsal, { node: CP, ...request }, { ...(hands ? { hands } : {}), stopAt: (event) => {
      const key = `${event.code} ${event.step}`;
      const boundary = event.code === 'step.acting' || (event.code === 'step.done' && ['etcd', `rebuilt:${CP}`].includes(event.step ?? ''));
      if (cut === undefined && boundary && !ways.has(key)) {
        cut = event;
        ways.add(key);
      }
      return cut !== undefined && event.step === cut.step;
    } }).then(() => undefined, (reason: unknown) => reason as { code?: string });
    if (error === undefined || (ways.has(`step.done rebuilt:${CP}`) && error.code === 'E_REBUILD_HEALTHY')) {
      await wellAgain(rehearsal, kubeconfig, { record: { node: CP, nonce: (await readLock(join(rehearsal.world.clusterFolder, 'firstlight.lock.yaml'))).cards[CP]! } });
      await fluxActs();
      return ways;
    }
    assert.equal(error.code, 'E_ABORTED', String(error));
  }
  assert.fail(`it never ends: ${[...ways].join(', ')}`);
}

test('with a snapshot, cut off at every boundary: the same end', async () => {
  const mac = await die('both');
  const ways = await cutOffEverywhere({ mac: mac!, snapshot });
  for (const step of [`fence:${CP}`, `card:${CP}`, `config:${CP}`, 'one-writer', 'etcd', 'writers-settled', 'resume-flux', `rebuilt:${CP}`]) assert.ok(ways.has(`step.acting ${step}`), `never cut off at ${step}: ${[...ways].join(', ')}`);
});

test('without a snapshot: Kubernetes begins empty, git makes it anew, LUNs are adopted, and what did not come back is told', async () => {
  const { host } = rehearsal;
  await kubectl(host, kubeconfig, ['create', 'namespace', 'by-hand']);
  await kubectl(host, kubeconfig, ['run', 'wiki', '--image=example/wiki', '-n', 'by-hand']);
  await runs('by-hand', 'wiki');
  await die('card');
  const done = await rebuilt({}, { hands: withoutSnapshot });
  const lost = done.result.steps.find((end) => end.step.id === 'losses')!.detail;
  assert.equal(lost, 'by-hand/wiki ran before, and git does not make it');
  assert.match(rebuildSummary(done), /etcd came back from nothing[\s\S]*- by-hand\/wiki ran before/);
});

test('without a snapshot, cut off at every boundary: the same end', async () => {
  const mac = await die('both');
  const ways = await cutOffEverywhere({ mac: mac! }, withoutSnapshot);
  for (const step of ['etcd', ...WORKERS.map((name) => `rejoin:${name}`), 'flux', 'reconciled']) assert.ok(ways.has(`step.acting ${step}`), `never cut off at ${step}: ${[...ways].join(', ')}`);
});

test('the old board comes back in the middle: the run stops with the reason or does no harm, and there is one cluster', async () => {
  const mac = await die('board');
  const seen: [string, string][] = [];
  for (const moment of [`fence:${CP}`, `card:${CP}`, `config:${CP}`, 'one-writer', 'etcd', 'stale']) {
    let reviving: Promise<{ powerOff(): Promise<void> }> | undefined;
    const error = await rebuildIn(rehearsal, { node: CP, mac: mac!, snapshot }, { stopAt: (event) => {
      if (reviving === undefined && event.step === moment && /^step\.(done|already)$/.test(event.code)) reviving = rehearsal.world.revive(CP);
      return false;
    } }).then(() => undefined, (reason: unknown) => reason as { code?: string; message?: string });
    if (reviving === undefined) assert.fail(`the run ended before ${moment}: ${error?.message}`);
    seen.push([moment, error?.code ?? 'went on']);
    await (await reviving).powerOff();
    if (error === undefined) break;
    assert.match(error.code ?? '', /^E_(FENCE_BROKEN|FENCE_ALIVE|IDENTITY_OLD_CARD|SEVERAL|DEADLINE)$/, error.message);
  }
  assert.ok(seen.some(([, code]) => code !== 'went on'), JSON.stringify(seen));
  if (seen.at(-1)![1] !== 'went on') await rebuildIn(rehearsal, { node: CP, mac: mac! });
  await wellAgain(rehearsal, kubeconfig, { record: { node: CP, nonce: (await readLock(join(rehearsal.world.clusterFolder, 'firstlight.lock.yaml'))).cards[CP]! } });
});

test('then up has nothing to do', async () => {
  const again = await upAgain(rehearsal);
  assert.deepEqual(again.steps.filter((end) => end.end !== 'already').map((end) => end.step.id), []);
});
