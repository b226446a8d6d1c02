import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { KubeClient } from '../../../lab/kubernetes/client.ts';
import { tendCanary, type Canary } from '../../../lab/kubernetes/volumes/canary.ts';
import type { BoundClaim } from '../../../lab/kubernetes/volumes/claims.ts';
import { chapOf, locate } from '../../../lab/kubernetes/volumes/drivers.ts';
import type { Mount } from '../../../lab/kubernetes/volumes/node-volumes.ts';
import { createSessions } from '../../../lab/kubernetes/volumes/sessions.ts';
import { refuseStrangers } from '../../../lab/kubernetes/volumes/verdict.ts';
import { readBlocks, writeBlocks } from '../../../lib/iscsi/scsi.ts';
import { waitFor } from '../../../lib/conditions.ts';
import { testHost } from '../../support/host.ts';
import { openLabTarget } from '../nas/target.ts';

const NAS = '127.61.7.5';
const login = { portal: `${NAS}:3260`, iqn: 'iqn.2000-01.com.synology:canary' };
const shire = { cluster: 'gandalf', claim: 'shire/ring', node: 'w-1', initiator: 'iqn.2017-11.dev.talos:one' };

test('a canary is written on an empty LUN only, counted on, and never over other data or another claim’s canary', async () => {
  await using lab = await openLabTarget(NAS);
  lab.add({ iqn: login.iqn }, await lab.lun(1024 ** 2), await lab.lun(1024 ** 2, 'other'));
  const sessions = createSessions(shire.initiator, '127.61.7.21');
  const session = await sessions.to(login);
  assert.equal(session, await sessions.to(login), 'one session per target');

  assert.deepEqual(await tendCanary(session, 1, shire, true), { kind: 'empty' });
  const first: Canary = { canary: 1, ...shire, count: 1 };
  assert.deepEqual(await tendCanary(session, 1, shire, false), { kind: 'written', now: first });
  const elsewhere = { ...shire, node: 'w-2', initiator: 'iqn.2017-11.dev.talos:two' };
  const second: Canary = { canary: 1, ...elsewhere, count: 2 };
  assert.deepEqual(await tendCanary(session, 1, elsewhere, false), { kind: 'read back', before: first, now: second });
  assert.deepEqual(await tendCanary(session, 1, shire, true), { kind: 'read back', before: second, now: undefined });
  for (const stranger of [{ ...shire, claim: 'shire/sting' }, { ...shire, cluster: 'saruman' }]) {
    const finding = await tendCanary(session, 1, stranger, false);
    assert.deepEqual(finding, { kind: 'foreign', before: second });
    assert.throws(() => refuseStrangers([{ claim: 'shire/sting', node: 'w-1', iqn: login.iqn, lun: 1, finding } as Mount]), { code: 'E_REHEARSAL_CANARY' });
  }

  // The mark of an ext4, a kilobyte after two empty blocks.
  const superblock = Buffer.alloc(512);
  superblock.writeUInt16LE(0xef53, 0x38);
  await writeBlocks(session, 2, 2, superblock);
  const before = await readBlocks(session, 2, 0, 256);
  assert.deepEqual(await tendCanary(session, 2, shire, false), { kind: 'data' });
  assert.deepEqual(await readBlocks(session, 2, 0, 256), before);

  const host = testHost();
  for (const open of [...lab.state.sessions]) open.drop();
  await waitFor({
    name: 'the broken session is open again', deadlineMs: 10_000, everyMs: 50, hint: '',
    look: async () => (lab.state.sessions.size === 1 ? { met: true, value: 1 } : { met: false, seen: String(lab.state.sessions.size) }),
  }, host);
  assert.equal((await tendCanary(await sessions.to(login), 1, shire, true)).kind, 'read back');
  await sessions.logOut(login);
  assert.equal(lab.state.sessions.size, 0);
  await sessions.end('stop');
  host.remove();
});

test('where a claim’s blocks are: as the PersistentVolume says, with CHAP of its Secret, and nowhere without iscsiadm or driver', async () => {
  const secrets: Record<string, string> = { 'node.session.auth.username': 'gandalf', 'node.session.auth.password': 'secretsecret12' };
  const data = Object.fromEntries(Object.entries(secrets).map(([key, value]) => [key, Buffer.from(value).toString('base64')]));
  const client = { get: async (path: string) => { assert.equal(path, '/api/v1/namespaces/nas-volumes/secrets/chap'); return { data }; } } as unknown as KubeClient;
  const claim = (source: BoundClaim['source']): BoundClaim => ({ volume: 'data', namespace: 'shire', claim: 'ring', persistentVolume: 'ring', source, readOnly: false });
  const inTree = claim({ iscsi: { targetPortal: NAS, iqn: login.iqn, lun: 1, chapAuthSession: true, secretRef: { name: 'chap', namespace: 'nas-volumes' } } });
  assert.deepEqual(await locate(inTree, client, new Map(), undefined), { login: { ...login, user: 'gandalf', secret: 'secretsecret12' }, lun: 1 });
  await assert.rejects(locate(inTree, client, new Map(), 'executable file not found in $PATH'), /not found in \$PATH/);
  await assert.rejects(locate(claim({ csi: { driver: 'x.y', volumeHandle: '1' } }), client, new Map(), undefined), /driver name x\.y not found in the list of registered CSI drivers/);
  assert.equal(await locate(claim({}), client, new Map(), undefined), undefined);
  assert.deepEqual(chapOf({ ...secrets, 'node.session.auth.username_in': 'nas', 'node.session.auth.password_in': 'othersecret12' }).mutual, { user: 'nas', secret: 'othersecret12' });
});
