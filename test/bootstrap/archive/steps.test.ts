import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { clusterFiles } from '../../../bootstrap/archive/collect/folder.ts';
import { namedPlace } from '../../../bootstrap/archive/open-places.ts';
import { placeSteps } from '../../../bootstrap/archive/place-steps.ts';
import { collectStep, createRoom, type Packed } from '../../../bootstrap/archive/room.ts';
import { makeSigner, signerLacks, signingKey } from '../../../bootstrap/archive/signer.ts';
import { signerOf } from '../../../bootstrap/archive/signing.ts';
import { archiveName, type Manifest } from '../../../bootstrap/archive/types.ts';
import { checkSteps } from '../../../bootstrap/check.ts';
import { createFacts, type Facts } from '../../../bootstrap/facts.ts';
import { runSteps } from '../../../bootstrap/runner.ts';
import { problem } from '../../../lib/errors.ts';
import type { Command } from '../../../lib/host.ts';
import { readLock, updateLock } from '../../../lib/lock-file.ts';
import type { BackupPlace, Cluster } from '../../../nodes/cluster.ts';
import { ageKey } from '../../support/age.ts';
import { testHost, toolPrograms } from '../../support/host.ts';
import { exampleCluster } from '../../talos/example.ts';

const host = testHost();
const folder = join(host.scratch, 'machines', 'gandalf');
let cluster: Cluster;
let facts: Facts;

before(async () => {
  const keys = [await ageKey(host, 'cluster'), await ageKey(host, 'laptop')] as const;
  host.environment['SOPS_AGE_KEY_FILE'] = keys[1].file;
  mkdirSync(folder, { recursive: true });
  cluster = exampleCluster(folder, { secrets: { recipients: keys.map(({ recipient }, index) => ({ name: ['gandalf', 'laptop'][index]!, role: (['cluster', 'owner'] as const)[index]!, key: recipient })) } });
  facts = createFacts(cluster, host.scratch);
});
after(() => host.remove());

test('an optional part that can’t be had is told and noted, any other ends the backup', async () => {
  const room = createRoom();
  const failing = async (): Promise<never> => { throw problem('E_KUBE_UNREACHABLE', 'the API does not answer', 'Look.'); };
  const steps = [
    collectStep(room, { id: 'one', title: 'One', needs: [], collect: async () => ({ parts: [{ name: 'a', text: 'a' }], detail: 'one part', missing: [{ part: 'b', why: 'off' }] }) }),
    collectStep(room, { id: 'two', title: 'Two', needs: [], optional: 'flux.json', collect: failing }),
  ];
  const { steps: ends } = await runSteps(steps, host);
  assert.deepEqual(ends.map(({ detail }) => detail), ['one part', 'missing: the API does not answer']);
  assert.deepEqual([...room.missing].sort((a, b) => a.part.localeCompare(b.part)), [{ part: 'b', why: 'off' }, { part: 'flux.json', why: 'the API does not answer' }]);
  assert.equal(host.events.filter(({ code }) => code === 'backup.missing').length, 2);
  await assert.rejects(runSteps([collectStep(createRoom(), { id: 'three', title: 'Three', needs: [], collect: failing })], host), { code: 'E_KUBE_UNREACHABLE' });
});

test('the signing key is made once, encrypted, and pinned; what does not belong together is refused', { skip: !toolPrograms().has('sops') && 'needs sops' }, async () => {
  assert.match(await signerLacks(host, facts) ?? '', /no key/);
  // Two first backups at once: one key, which both sign with.
  const other = createFacts(cluster, host.scratch);
  assert.match(await signerLacks(host, other) ?? '', /no key/);
  let written = 0;
  const counting = { ...host, run: (command: Command) => { written += Number(command.args.some((word) => /encrypt/.test(word))); return host.run(command); } };
  await Promise.all([makeSigner(counting, facts), makeSigner(counting, other)]);
  assert.equal(written, 1);
  assert.equal(await signerLacks(host, other), undefined);
  assert.equal(await signerLacks(host, facts), undefined);
  const key = await signingKey(host, facts);
  const { signer } = (await readLock(facts.lockFile)).backup!;
  assert.equal(signerOf(key), signer);
  assert.ok(!readFileSync(join(folder, 'credentials.sops.yaml'), 'utf8').includes(key));
  await makeSigner(host, facts);
  assert.equal(await signingKey(host, facts), key, 'not made twice');
  await updateLock(facts.lockFile, { backup: { signer: `${signer.slice(0, 10)}${signer[10] === 'A' ? 'B' : 'A'}${signer.slice(11)}` } });
  await assert.rejects(signerLacks(host, facts), { code: 'E_BACKUP_SIGNER' });
  assert.ok(!host.events.some((event) => JSON.stringify(event).includes(key)));
});

test('places side by side: one that refuses keeps it from none of the others; older ones go only for a whole one', async () => {
  const file = join(host.scratch, 'packed');
  writeFileSync(file, 'archive');
  const [one, stick] = [join(host.scratch, 'one'), join(host.scratch, 'stick')];
  writeFileSync(stick, '');
  const places: readonly BackupPlace[] = [{ kind: 'folder', name: 'one', path: one, make: true }, { kind: 'folder', name: 'stick', path: stick, make: false }];
  const keeping = createFacts({ ...cluster, backup: { places, keep: { last: 1, daily: 0, weekly: 0, monthly: 0 } } }, host.scratch);
  Object.assign(keeping, { credentials: async () => ({ chap: {} }) });
  const put = async (at: number, missing: Manifest['missing'], to: readonly BackupPlace[]) => {
    const room = createRoom();
    room.missing.push(...missing);
    room.packed = { name: archiveName('gandalf', at), file } as Packed;
    return { room, end: await runSteps(placeSteps(keeping, room, to, []), host).then(() => 'placed', (error: { code?: string }) => error.code) };
  };
  const now = host.clock.now();
  const first = await put(now - 7_200_000, [], places);
  assert.deepEqual([first.end, first.room.placed, first.room.refused.map(({ place, error }) => [place, error.code])], ['E_BACKUP_PLACES', ['one'], [['stick', 'E_PLACE_FOLDER']]]);
  await put(now - 3_600_000, [{ part: 'flux.json', why: 'off' }], places.slice(0, 1));
  assert.equal(readdirSync(one).length, 2, 'one that lacks something takes no place');
  assert.equal((await put(now, [], places.slice(0, 1))).end, 'placed');
  assert.deepEqual(readdirSync(one), [archiveName('gandalf', now)]);
  const drawer = join(host.scratch, 'drawer');
  mkdirSync(drawer);
  for (const at of [now - 7_200_000, now]) assert.equal((await put(at, [], [{ kind: 'folder', name: drawer, path: drawer, make: false }])).end, 'placed');
  assert.equal(readdirSync(drawer).length, 2, 'in a folder that is no declared place nothing is taken away');
});

test('of the cluster’s folder goes in what was written, not images, runs, backups or hidden files; places go by name or path', async () => {
  for (const name of ['cluster.yaml', 'nas-ca.pem', 'metal.raw.xz', '.hidden.yaml', 'kubeconfig', 'patches/all/dns.yaml', 'runs/x/report.json', 'backups/b.json']) {
    mkdirSync(join(folder, name, '..'), { recursive: true });
    writeFileSync(join(folder, name), 'x');
  }
  const shared = join(host.scratch, 'shared.yaml');
  writeFileSync(shared, 'shared');
  symlinkSync(shared, join(folder, 'patches/worker.yaml'));
  symlinkSync(join(host.scratch, 'nowhere.yaml'), join(folder, 'patches/gone.yaml'));
  const parts = await clusterFiles(folder);
  writeFileSync(shared, 'changed after it was read');
  assert.equal(String((parts.find(({ name }) => name === 'cluster/patches/worker.yaml') as { text?: unknown } | undefined)?.text), 'shared');
  const names = parts.map(({ name }) => name).filter((name) => !/lock|sops/.test(name));
  assert.deepEqual(names, ['cluster/cluster.yaml', 'cluster/nas-ca.pem', 'cluster/patches/all/dns.yaml', 'cluster/patches/worker.yaml']);
  assert.equal(namedPlace(cluster, 'backups').kind, 'folder');
  assert.deepEqual(namedPlace(cluster, '/mnt/stick'), { kind: 'folder', name: '/mnt/stick', path: '/mnt/stick', make: false });
  assert.throws(() => namedPlace(cluster, 'cloud'), { code: 'E_BACKUP_PLACE' });
});

test('`check` looks at each place, and makes nothing there', async () => {
  const [fine, away] = [join(host.scratch, 'checked'), join(host.scratch, 'away')];
  mkdirSync(fine);
  writeFileSync(join(fine, archiveName('gandalf', Date.parse('2026-11-23T07:08:42Z'))), 'x');
  const places: readonly BackupPlace[] = [{ kind: 'folder', name: 'fine', path: fine, make: false }, { kind: 'folder', name: 'new', path: join(host.scratch, 'made-later'), make: true }, { kind: 'folder', name: 'away', path: away, make: false }];
  const checking = createFacts({ ...cluster, backup: { ...cluster.backup, places } }, host.scratch);
  Object.assign(checking, { credentials: async () => ({ chap: {} }) });
  const looks = checkSteps(checking).filter(({ id }) => id.startsWith('place:'));
  const seen = await Promise.all(looks.map((step) => step.observe(host).then((found) => (found.state === 'done' ? found.detail : found.why), (error: { code?: string }) => error.code)));
  assert.deepEqual(seen, ['has 1 backup, the newest of 2026-11-23T07:08:42.000Z', 'has no backup yet', 'E_PLACE_FOLDER']);
  assert.ok(!readdirSync(host.scratch).includes('made-later'));
});
