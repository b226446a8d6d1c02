import assert from 'node:assert/strict';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { packArchive } from '../../../bootstrap/archive/pack.ts';
import { makeSigningKey } from '../../../bootstrap/archive/signing.ts';
import { archiveName } from '../../../bootstrap/archive/types.ts';
import { createFacts, type Facts } from '../../../bootstrap/facts.ts';
import { proveForRestore, reopen } from '../../../bootstrap/restore/archive.ts';
import { offerBundle } from '../../../bootstrap/restore/offer-bundle.ts';
import { archiveRefusals } from '../../../bootstrap/restore/refusals.ts';
import { restoreUnderWay } from '../../../bootstrap/restore/record.ts';
import { requireNoRebuild } from '../../../bootstrap/rebuild/record.ts';
import type { Host } from '../../../lib/host.ts';
import { updateLock } from '../../../lib/lock-file.ts';
import { bundleOf, type Bundle } from '../../../talos/secrets.ts';
import { testHost, toolPrograms } from '../../support/host.ts';
import { makeArchive, type MadeArchive } from '../archive/made.ts';

// Real archives with real snapshots; no machine is asked for anything.

const skip = toolPrograms().has('etcdutl') ? false : 'needs etcd';
const plain = testHost();
const folder = mkdtempSync(join(tmpdir(), 'firstlight-restore-'));
let made: MadeArchive;
let bundle: Bundle;
let facts: Facts;
const answers: string[] = [];
const host: Host = { ...plain, ask: async ({ code, fallback = '' }) => { answers.push(code); return code === 'restore.bundle' && answers.length > 1 ? 'gandalf' : fallback; } };
const wish = (named?: string) => ({ identities: made.identities, ...(named === undefined ? {} : { named }) });
const OTHER = 'bMyP0YlOoEqzTDrRUzNxVwBrDDVrbA8oFQ9yVVF0UnM=';

before(async () => {
  if (skip) return;
  made = await makeArchive(plain, folder);
  bundle = bundleOf(plain, made.bundleText, 'secrets.yaml');
  facts = { ...createFacts(made.cluster, plain.scratch), bundle: async () => bundle };
  await updateLock(facts.lockFile, { backup: { signer: made.signer } });
  mkdirSync(join(folder, 'backups'));
  cpSync(made.file, place('2026-11-23T07:25:00Z'));
});
after(() => { plain.remove(); rmSync(folder, { recursive: true, force: true }); });

const place = (at: string): string => join(folder, 'backups', archiveName('gandalf', Date.parse(at)));

/** The same archive with another beginning of its manifest, in the place. */
async function another(at: string, change: (about: MadeArchive['contents']['about']) => object = () => ({}), key = made.contents.key): Promise<string> {
  const about = { ...made.contents.about, at: new Date(at).toISOString() };
  await packArchive(plain, place(at), { ...made.contents, key, about: { ...about, ...change(about) } });
  return place(at);
}

test('the newest archive that proves good is taken, and what is refused on the way is told', { skip }, async () => {
  const damaged = place('2026-11-23T09:00:00Z');
  const bytes = readFileSync(made.file);
  bytes[bytes.length >> 1]! ^= 1;
  writeFileSync(damaged, bytes);
  const proven = await proveForRestore(host, facts, wish());
  assert.deepEqual([proven.name, proven.named, proven.later, proven.proof.secrets], ['gandalf-20261123T072500Z.firstlight', false, undefined, 'decrypt']);
  assert.deepEqual(plain.events.filter(({ code }) => code === 'restore.refused').map(({ message }) => message?.split(' ')[0]), ['gandalf-20261123T090000Z.firstlight']);
  assert.deepEqual(await archiveRefusals(host, facts, proven), []);
  await assert.rejects(proveForRestore(host, facts, wish(damaged)), { code: 'E_ARCHIVE_DAMAGED' });
  rmSync(damaged);
});

test('a named one that is older than another that opens is refused, with by how much; one that nobody signed does not count', { skip }, async () => {
  const forged = await another('2026-11-23T10:00:00Z', () => ({}), makeSigningKey());
  const later = await another('2026-11-23T08:25:00Z', ({ etcd }) => ({ etcd: { ...etcd, revision: etcd.revision + 1_234 } }));
  const proven = await proveForRestore(host, facts, wish('gandalf-20261123T072500Z.firstlight'));
  const [refusal, more] = await archiveRefusals(host, facts, proven);
  assert.deepEqual([refusal?.error.code, refusal?.forcible, more], ['E_RESTORE_OLDER', true, undefined]);
  assert.match(refusal!.error.message, /older than the backup gandalf-20261123T082500Z\.firstlight: 1,234 revisions and 3,600 seconds would be lost/);
  await assert.rejects(proveForRestore(host, facts, wish(forged)), { code: 'E_ARCHIVE_SIGNER' });
  rmSync(forged);
  rmSync(later);
});

test('another bundle in the repository, and versions that are older than the archive’s, are told together; the archive’s own bundle is offered', { skip }, async () => {
  const wrong = bundleOf(plain, made.bundleText.replace(/(secretboxencryptionsecret: ).*/, `$1${OTHER}`), 'secrets.sops.yaml');
  const newer = await another('2026-11-23T08:25:00Z', () => ({ versions: { talos: '1.12.1', kubernetes: 'v1.35.0' } }));
  const proven = await proveForRestore(host, facts, wish(newer));
  const refusals = await archiveRefusals(host, { ...facts, bundle: async () => wrong }, proven);
  assert.deepEqual(refusals.map(({ error, forcible }) => [error.code, forcible]), [['E_RESTORE_BUNDLE', false], ['E_RESTORE_VERSION', true], ['E_RESTORE_VERSION', true]]);
  assert.match(refusals[0]!.error.message, /does not open the Secrets in the snapshot.*the file in the repository is the wrong one/);
  for (const { error } of refusals) assert.ok(!error.message.includes(OTHER) && error.hint.length > 20 && error.where.file);
  assert.equal(await offerBundle(host, facts, proven), false, 'an archive without an encrypted bundle has none to offer');
  const path = join(folder, 'offered.sops.yaml');
  writeFileSync(path, 'of the archive');
  const withBundle = { ...proven, archive: { ...proven.archive, path: (name: string) => (name === 'cluster/secrets.sops.yaml' ? path : proven.archive.path(name)) } };
  writeFileSync(join(folder, 'secrets.sops.yaml'), 'the wrong one');
  assert.equal(await offerBundle(host, facts, withBundle), false, 'nobody said so');
  assert.equal(readFileSync(join(folder, 'secrets.sops.yaml'), 'utf8'), 'the wrong one');
  assert.equal(await offerBundle(host, facts, withBundle), true);
  assert.deepEqual(['secrets.sops.yaml', 'secrets.sops.yaml.before-restore'].map((name) => readFileSync(join(folder, name), 'utf8')), ['of the archive', 'the wrong one']);
});

test('one under way goes on with the archive that it began with, and other commands wait for it', { skip }, async () => {
  const archive = await reopen(host, facts, wish(made.file), { archive: made.file, sha256: (await proveForRestore(host, facts, wish(made.file))).archive.sha256 });
  const restore = { since: '2026-11-23T08:00:00.000Z', archive: made.file, sha256: archive.sha256, at: archive.manifest.at, revision: 6, parts: ['etcd'] as const, cards: { 'cp-1': 'a'.repeat(32) }, recover: { from: 'nothing' } as const };
  await updateLock(facts.lockFile, { restore });
  assert.deepEqual(await restoreUnderWay(facts), restore);
  await assert.rejects(requireNoRebuild(facts), { code: 'E_RESTORE_UNDER_WAY' });
  await assert.rejects(reopen(host, facts, wish(made.file), { ...restore, sha256: 'f'.repeat(64) }), { code: 'E_RESTORE_OTHER' });
  await updateLock(facts.lockFile, { restore: null, rebuild: { node: 'cp-1', way: 'only', since: restore.since, nonce: 'b'.repeat(32) } });
  await assert.rejects(restoreUnderWay(facts), { code: 'E_REBUILD_UNDER_WAY' });
});
