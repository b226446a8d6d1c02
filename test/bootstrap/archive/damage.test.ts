import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fetchBackup, listBackups } from '../../../bootstrap/archive/list.ts';
import { openArchive } from '../../../bootstrap/archive/open.ts';
import { packArchive } from '../../../bootstrap/archive/pack.ts';
import { verifyArchive } from '../../../bootstrap/archive/verify.ts';
import { verifyBackups } from '../../../bootstrap/archive/verify-backups.ts';
import { makeSigningKey, signManifest } from '../../../bootstrap/archive/signing.ts';
import { archiveName, ENTRY } from '../../../bootstrap/archive/types.ts';
import { FirstlightError } from '../../../lib/errors.ts';
import { testHost, toolPrograms } from '../../support/host.ts';
import { inside, resealed, sameHeader, underHeader, type Inside } from './forge.ts';
import { CANARY, makeArchive, type MadeArchive } from './made.ts';

const skip = toolPrograms().has('etcdutl') && toolPrograms().has('talosctl') ? false : 'needs etcd and talosctl';
const host = testHost();
let made: MadeArchive;
let later: MadeArchive;
let other: MadeArchive;

/** Numbers below `below`, the same in every run. */
let state = 20261123;
const random = (below: number): number => {
  state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
  return Math.floor((state / 2 ** 32) * below);
};

const verify = (file: string, of = made) => verifyArchive(host, file, { identities: [of.identities[1]], cluster: of.cluster, signer: of.signer });

/** The reason for which `backup verify` refuses these bytes. */
async function refusal(bytes: Uint8Array): Promise<FirstlightError> {
  const file = join(host.scratch, 'damaged.firstlight');
  writeFileSync(file, bytes);
  const error = await verify(file).then(() => undefined, (thrown: unknown) => thrown);
  assert.ok(error instanceof FirstlightError, `it was taken, or failed otherwise: ${String(error)}`);
  assert.ok(error.message.length > 20 && error.hint.length > 10);
  assert.deepEqual(readdirSync(host.scratch).filter((name) => name.startsWith('archive-')), [], 'nothing of it stays');
  return error;
}

before(async () => {
  if (skip) return;
  made = await makeArchive(host, join(host.scratch, 'made'));
  later = await makeArchive(host, join(host.scratch, 'later'), 'gandalf', made);
  other = await makeArchive(host, join(host.scratch, 'other'), 'saruman');
});
after(() => host.remove());

test('good archives are found good, by each recipient, and nothing of them stays or is shown', { skip }, async () => {
  for (const each of [made, later, other]) {
    const { archive, proof, absent } = await verify(each.file, each);
    assert.deepEqual([archive.signer, proof.secrets, proof.authority, absent], ['pinned', 'decrypt', 'ours', []]);
    assert.equal(archive.manifest.entries.length, each.contents.parts.length);
  }
  assert.equal((await verifyArchive(host, made.file, { identities: [made.identities[0]], cluster: made.cluster })).archive.signer, 'unknown');
  assert.deepEqual(readdirSync(host.scratch).filter((name) => name.startsWith('archive-')), []);
  for (const secret of [CANARY, made.identities[0], made.contents.key]) {
    assert.ok(!JSON.stringify(host.events).includes(secret));
    assert.ok(!readFileSync(made.file).includes(secret));
  }
});

test('420 random damages from outside: each is refused with a reason', { skip }, async () => {
  const whole = readFileSync(made.file);
  const [second, third] = [readFileSync(later.file), readFileSync(other.file)];
  const damages: Record<string, (at: number) => Buffer> = {
    'one bit flipped': (at) => { const copy = Buffer.from(whole); copy[at]! ^= 1 << random(8); return copy; },
    'a byte of the header changed': () => { const copy = Buffer.from(whole); copy[random(400)]! ^= 1 + random(255); return copy; },
    'cut off': (at) => whole.subarray(0, at),
    'something added': (at) => Buffer.concat([whole, whole.subarray(at, at + 1 + random(40))]),
    'a piece taken out': (at) => Buffer.concat([whole.subarray(0, at), whole.subarray(at + 1 + random(500))]),
    'a piece overwritten with zeros': (at) => { const copy = Buffer.from(whole); copy.fill(0, at, at + 1 + random(300)); return copy; },
    'mixed with a later one': (at) => Buffer.concat([whole.subarray(0, at + 1), second.subarray(at + 1)]),
    'mixed with another cluster’s': (at) => Buffer.concat([third.subarray(0, at + 1), whole.subarray(at + 1)]),
  };
  const codes = new Map<string, number>();
  for (let round = 0; round < 210; round += 1) {
    for (const kind of ['one bit flipped', Object.keys(damages)[1 + round % 7]!]) {
      const bytes = damages[kind]!(random(whole.length));
      if (bytes.equals(whole)) continue;
      const { code } = await refusal(bytes);
      assert.match(code, /^E_ARCHIVE_(NOT|KEY|DAMAGED|SIGNER|CLUSTER)$/, kind);
      codes.set(code, (codes.get(code) ?? 0) + 1);
    }
  }
  assert.ok((codes.get('E_ARCHIVE_DAMAGED') ?? 0) > 300, JSON.stringify([...codes]));
});

test('80 archives that a recipient, or somebody who knows the recipients, put together: each is refused for what it is', { skip }, async () => {
  const [identity] = made.identities;
  const mine = await inside(made.file, identity);
  const theirs = await inside(later.file, identity);
  const keys = made.contents.about.recipients.map(({ key }) => key);
  const change = (index: number, bytes: Buffer): Inside => mine.map(([name, old], at) => [name, at === index ? bytes : old]);
  const flipped = (bytes: Buffer): Buffer => { const copy = Buffer.from(bytes); copy[random(copy.length)]! ^= 1 << random(8); return copy; };
  const edited = (): Buffer => Buffer.from(mine[0]![1].toString().replace(/"revision": (\d+)/, `"revision": ${random(1e6)}`));
  const { recipient: stranger } = { recipient: other.contents.about.recipients[0]!.key };
  const forged: Record<string, () => [RegExp, Promise<Buffer>]> = {
    'encrypted anew for one recipient fewer': () => [/RECIPIENTS/, resealed(mine, keys.slice(1))],
    'encrypted anew for others': () => [/RECIPIENTS/, resealed(mine, [keys[1]!, stranger])],
    'encrypted anew for the same': () => [/RECIPIENTS/, resealed(mine, keys)],
    'the same header, an entry changed': () => { const at = 2 + random(mine.length - 2); return [/ENTRY/, sameHeader(made.file, identity, change(at, flipped(mine[at]![1])))]; },
    'an entry of a later backup': () => { const at = 2 + [0, 2, 3, 4][random(4)]!; return [/ENTRY/, sameHeader(made.file, identity, change(at, theirs[at]![1]))]; },
    'two entries swapped': () => [/ENTRY/, sameHeader(made.file, identity, change(5, mine[6]![1]).map(([name, bytes], at) => [name, at === 6 ? mine[5]![1] : bytes]))],
    'two entries in another order': () => [/ENTRY/, sameHeader(made.file, identity, [...mine.slice(0, 5), mine[6]!, mine[5]!, mine[7]!])],
    'an entry left out': () => { const at = 2 + random(mine.length - 2); return [/ENTRY/, sameHeader(made.file, identity, mine.filter((_, index) => index !== at))]; },
    'an entry more': () => [/ENTRY/, sameHeader(made.file, identity, [...mine, ['machines/worker-9.yaml', Buffer.from('machine: {}')]])],
    'an entry that leads out of the folder': () => [/ENTRY/, sameHeader(made.file, identity, [...mine, ['../../out.yaml', Buffer.from('x')]])],
    'the manifest changed': () => [/SIGNATURE/, sameHeader(made.file, identity, change(0, edited()))],
    'the signature changed': () => [/SIGNATURE/, sameHeader(made.file, identity, change(1, Buffer.from(flipped(Buffer.from(mine[1]![1].toString(), 'base64')).toString('base64'))))],
    'manifest and signature of a later backup': () => [/RECIPIENTS/, sameHeader(made.file, identity, change(0, theirs[0]![1]).map(([name, bytes], at) => [name, at === 1 ? theirs[1]![1] : bytes]))],
    'signed by another key in the signer’s name': () => { const text = edited(); return [/SIGNATURE/, sameHeader(made.file, identity, [['manifest.json', text], ['manifest.sig', Buffer.from(signManifest(text, makeSigningKey()).toString('base64'))], ...mine.slice(2)])]; },
    'no manifest': () => [/ENTRY/, sameHeader(made.file, identity, mine.slice(2))],
    'no archive inside': () => [/DAMAGED/, underHeader(made.file, identity, Buffer.from(CANARY))],
  };
  for (let round = 0; round < 5; round += 1) {
    for (const [kind, forge] of Object.entries(forged)) {
      const [code, bytes] = forge();
      const error = await refusal(await bytes);
      assert.match(error.code, code, `${kind}: ${error.message}`);
      assert.ok(!`${error.message} ${error.hint}`.includes(CANARY));
    }
  }
});

test('whole archives of somebody else, and a signed one whose halves don’t belong together', { skip }, async () => {
  const pack = async (contents: MadeArchive['contents']): Promise<Buffer> => {
    const file = join(host.scratch, 'whole.firstlight');
    await packArchive(host, file, contents);
    return readFileSync(file);
  };
  const about = made.contents.about;
  assert.equal((await refusal(await pack({ ...made.contents, key: makeSigningKey() }))).code, 'E_ARCHIVE_SIGNER');
  assert.equal((await refusal(await pack({ ...other.contents, about: { ...other.contents.about, recipients: about.recipients } }))).code, 'E_ARCHIVE_CLUSTER');
  assert.equal((await refusal(await pack({ ...made.contents, about: { ...about, cluster: 'saruman' } }))).code, 'E_ARCHIVE_CLUSTER');
  assert.equal((await refusal(readFileSync(other.file))).code, 'E_ARCHIVE_KEY');
  const bundle = other.contents.parts.find(({ name }) => name === ENTRY.bundle)!;
  const mixed = { ...made.contents, about: { ...about, clusterId: other.contents.about.clusterId }, parts: made.contents.parts.map((part) => (part.name === ENTRY.bundle ? bundle : part)) };
  assert.equal((await refusal(await pack(mixed))).code, 'E_SNAPSHOT_BUNDLE');
  assert.equal((await refusal(await pack({ ...made.contents, parts: mixed.parts }))).code, 'E_ARCHIVE_ENTRY');
  await assert.rejects(pack({ ...made.contents, about: { ...about, recipients: [about.recipients[0]!, about.recipients[0]!] } }), { code: 'E_BACKUP_RECIPIENTS' });
});

test('each place’s copy is proven: the one that was damaged there is refused, a place without keys is told', { skip }, async () => {
  const name = archiveName('gandalf', Date.parse(made.contents.about.at));
  const bytes = readFileSync(made.file);
  for (const place of ['one', 'two', 'three']) {
    mkdirSync(join(host.scratch, place));
    if (place === 'three') bytes[bytes.length >> 1]! ^= 1;
    writeFileSync(join(host.scratch, place, name), bytes);
  }
  const folders = ['one', 'two', 'three'].map((place) => ({ kind: 'folder' as const, name: place, path: join(host.scratch, place), make: false }));
  const bucket = { kind: 's3' as const, name: 'bucket', bucket: 'homelab', prefix: '', region: 'eu-central-1' };
  const cluster = { ...made.cluster, backup: { ...made.cluster.backup, places: [bucket, ...folders] } };
  const { archives: [listed], silent } = await listBackups(host, cluster, {});
  assert.deepEqual([listed?.places, silent.map(({ place, error }) => [place, error.code])], [['one', 'two', 'three'], [['bucket', 'E_CREDENTIALS_MISSING']]]);
  const asked = { ...listed!, places: [...listed!.places, 'bucket'] };
  const verified = await verifyBackups(host, [{ listed: asked }], { cluster, credentials: {}, identities: [made.identities[1]], signer: made.signer });
  assert.deepEqual(verified.map((each) => [each.places, 'verdict' in each ? each.verdict.archive.sha256.length : each.refused.code]), [[['one', 'two'], 64], [['three'], 'E_ARCHIVE_DAMAGED'], [['bucket'], 'E_CREDENTIALS_MISSING']]);
  await fetchBackup(host, { ...cluster, backup: { ...cluster.backup, places: [bucket, folders[0]!] } }, {}, { ...listed!, places: ['bucket', 'one'] }, join(host.scratch, 'fetched'));
});

test('an archive under the name of another time is refused, one under a name of one’s own is not', { skip }, async () => {
  const other = join(host.scratch, archiveName('gandalf', Date.parse(made.contents.about.at) + 86_400_000));
  writeFileSync(other, readFileSync(made.file));
  await assert.rejects(verify(other), { code: 'E_ARCHIVE_NAME' });
});

test('what fails on this machine is no damage of the archive', { skip }, async () => {
  const folder = join(host.scratch, 'taken');
  mkdirSync(join(folder, ENTRY.snapshot), { recursive: true });
  await assert.rejects(openArchive(host, made.file, { identities: [made.identities[1]], folder }), { code: 'E_ARCHIVE_ROOM' });
  await assert.rejects(packArchive(host, join(host.scratch, 'no', 'such', 'folder'), made.contents), { code: 'E_ARCHIVE_FILE' });
});
