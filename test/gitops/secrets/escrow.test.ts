import assert from 'node:assert/strict';
import { readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { Encrypter } from 'age-encryption';
import { workTreeFaults } from '../../../gitops/secrets/check.ts';
import { makeEscrow } from '../../../gitops/secrets/escrow.ts';
import { isLocked, readIdentities, unlock } from '../../../gitops/secrets/identity.ts';
import { proveOpening } from '../../../gitops/secrets/opening.ts';
import { setSecret } from '../../../gitops/secrets/set.ts';
import type { FirstlightError } from '../../../lib/errors.ts';
import { sopsDecrypt } from '../../../lib/sops.ts';
import { ageKey } from '../../support/age.ts';
import { desk, type Desk } from './support.ts';

const FILES = ['apps/gandalf/token.sops.yaml', 'machines/gandalf/extra.sops.yaml', 'machines/dev/extra.sops.yaml'];

let own: Desk;
beforeEach(async () => {
  own = await desk(['gandalf', 'dev']);
  const homelab = await own.open();
  for (const path of FILES) await setSecret(own.host, homelab, { path, key: 'token', value: `canary of ${path}` });
  own.git('add', '--all');
  own.git('commit', '--quiet', '--message', 'secrets');
});
afterEach(() => own.host.remove());

/** What the person reads off the page: its line, without its grouping. */
function readOff(page: string): string[] {
  return [...readFileSync(page, 'utf8').matchAll(/<p class="line">([^<]+)<\/p>/g)].map((match) => match[1] ?? '');
}

test('the page alone, when every other key is gone, opens everything and lets a new owner in', async () => {
  const page = join(own.host.scratch, 'page.html');
  const made = await makeEscrow(own.host, await own.open(), { page });
  assert.equal(statSync(page).mode & 0o777, 0o600);
  assert.deepEqual([...made.paths].sort(), [...FILES, 'machines/dev/cluster.yaml', 'machines/gandalf/cluster.yaml'].sort());
  assert.match(readFileSync(join(own.root, 'machines/gandalf/cluster.yaml'), 'utf8'), /role: cluster, key: age1\w+ } # the cluster's own/);
  assert.deepEqual(await workTreeFaults(own.host, await own.open()), []);
  // Fire: laptop, clusters and the older paper are gone; the identity exists nowhere but on the page.
  const [line = ''] = readOff(page);
  const [identity] = await readIdentities(line);
  for (const name of Object.keys(own.keys)) rmSync(join(own.host.scratch, `${name}.age.txt`));
  const openings = await proveOpening(own.host, await own.open(), identity ? [identity] : []);
  assert.deepEqual(openings, [{ name: 'paper', role: 'offline', opened: FILES.length, faults: [] }]);
  writeFileSync(join(own.host.scratch, 'laptop.age.txt'), `${identity?.identity}\n`);
  for (const path of FILES) assert.match(await sopsDecrypt(own.host, join(own.root, path)), new RegExp(`canary of ${path}`));
});

test('split into three shares, any two of which open', async () => {
  const page = join(own.host.scratch, 'pages.html');
  await makeEscrow(own.host, await own.open(), { page, split: { threshold: 2, of: 3 } });
  const lines = readOff(page);
  assert.equal(lines.length, 3);
  assert.doesNotMatch(readFileSync(page, 'utf8'), /AGE-SECRET-KEY/);
  const identities = await readIdentities(`${lines[2]}\n${lines[0]}\n`);
  assert.deepEqual((await proveOpening(own.host, await own.open(), identities)).map(({ name, opened, faults }) => [name, opened, faults.length]), [['paper', 3, 0]]);
});

test('a page in the repository, over another file, or for a cluster without offline recipient is refused before anything is made', async () => {
  const homelab = await own.open();
  await assert.rejects(makeEscrow(own.host, homelab, { page: join(own.root, 'docs/page.html') }), { code: 'E_ESCROW_PAGE' });
  const taken = join(own.host.scratch, 'taken.html');
  writeFileSync(taken, 'the only copy of something');
  await assert.rejects(makeEscrow(own.host, homelab, { page: taken }), { code: 'E_ESCROW_PAGE' });
  own.write('machines/dev/cluster.yaml', readFileSync(join(own.root, 'machines/dev/cluster.yaml'), 'utf8').replace('role: offline', 'role: owner'));
  await assert.rejects(makeEscrow(own.host, await own.open(), { page: join(own.host.scratch, 'new.html') }), { code: 'E_ESCROW_NO_OFFLINE' });
  assert.equal(own.git('status', '--porcelain').trim(), 'M machines/dev/cluster.yaml');
});

test('of two offline recipients the named one gets the new key, in every cluster; unnamed neither does', async () => {
  const safe = await ageKey(own.host, 'safe');
  for (const name of ['gandalf', 'dev']) {
    const path = `machines/${name}/cluster.yaml`;
    own.write(path, `${readFileSync(join(own.root, path), 'utf8')}    - { name: safe, role: offline, key: ${safe.recipient} }\n`);
  }
  const page = join(own.host.scratch, 'page.html');
  await assert.rejects(makeEscrow(own.host, await own.open(), { page }), (error: FirstlightError) => error.code === 'E_ESCROW_NO_OFFLINE' && /paper and safe/.test(error.message));
  const made = await makeEscrow(own.host, await own.open(), { page, replace: 'safe' });
  const after = await own.open();
  assert.deepEqual(after.clusters.map((cluster) => cluster.secrets.recipients.filter((one) => one.role === 'offline').map((one) => one.key)), [0, 1].map(() => [own.keys['paper']?.recipient, made.recipient]));
  assert.deepEqual(await workTreeFaults(own.host, after), []);
});

test('each recipient is proven alone: a file that one of them can’t open is told, the others’ keys don’t help', async () => {
  const homelab = await own.open();
  const path = join(own.root, FILES[0] ?? '');
  const identities = Object.values(own.keys);
  const openings = await proveOpening(own.host, homelab, identities);
  assert.deepEqual(openings.map(({ name, opened, faults }) => [name, opened, faults.map((fault) => `${fault.code} ${fault.where.file}`)]), [
    ['dev', 1, []], ['laptop', 3, []], ['paper', 3, []], ['gandalf', 2, []],
  ]);
  // The first recipient's copy of the data key, the cluster's, is damaged: the others' are whole.
  own.write(FILES[0] ?? '', readFileSync(path, 'utf8').replace(/\n(\s+)YWdl/, '\n$1YWdk'));
  const after = await proveOpening(own.host, homelab, identities);
  assert.deepEqual(after.flatMap((one) => one.faults.map((fault) => [one.name, fault.code, fault.where.file])), [['gandalf', 'E_ESCROW_CLOSED', FILES[0]]]);
});

test('a key file under a passphrase is known as one and opened by it alone', async () => {
  const encrypter = new Encrypter();
  encrypter.setPassphrase('correct horse');
  encrypter.setScryptWorkFactor(10);
  const locked = await encrypter.encrypt(`${own.keys['laptop']?.identity}\n`);
  assert.equal(isLocked(locked), true);
  assert.equal(isLocked(Buffer.from(own.keys['laptop']?.identity ?? '')), false);
  assert.deepEqual((await readIdentities(await unlock(locked, 'correct horse')))[0], { identity: own.keys['laptop']?.identity, recipient: own.keys['laptop']?.recipient });
  await assert.rejects(unlock(locked, 'wrong horse'), { code: 'E_AGE_PASSPHRASE' });
});
