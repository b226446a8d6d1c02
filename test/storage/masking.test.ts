import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FirstlightError } from '../../lib/errors.ts';
import { withSession } from '../../lib/iscsi/session.ts';
import { ensureStorage, observeStorage } from '../../storage/ensure.ts';
import { proveStorage } from '../../storage/look.ts';
import { claimant, credentials, failure, findingsOf, LUN, openDesk, SECRET, writesOf, type Desk } from './support.ts';

const ADDRESS = '127.100.24.1';
const iqn = (machine: string): string => `iqn.2017-11.dev.talos:${machine}`;
const nodes = { ...claimant, nodes: 2, initiators: new Map([['cp-1', iqn('aaaa')], ['w-1', iqn('bbbb')]]) };
const rebuilt = { ...nodes, initiators: new Map([['cp-1', iqn('aaaa')], ['w-1', iqn('cccc')]]) };

async function login(desk: Desk, initiator: string): Promise<void> {
  await withSession(desk.host, { portal: `${ADDRESS}:3260`, iqn: LUN.iqn, user: LUN.user, secret: SECRET, initiator }, async () => {});
}

async function notes(desk: Desk, on = rebuilt): Promise<string> {
  return (await observeStorage(desk.host, desk.nas, credentials, on)).notes.join('\n');
}

/** A NAS whose owner masks the LUN by DSM 7's hosts. */
async function masked(...hosts: readonly { name: string; initiators: readonly string[] }[]): Promise<Desk> {
  const desk = await openDesk(ADDRESS, { https: false });
  await ensureStorage(desk.host, desk.nas, credentials, nodes);
  for (const host of hosts) desk.lab.addHost({ ...host, luns: [desk.lab.luns()[0]!.uuid] });
  return desk;
}

test('without masking the nodes’ IQNs don’t matter: CHAP is enough', async () => {
  await using desk = await masked();
  assert.deepEqual(await findingsOf(desk.host, desk.nas, credentials, rebuilt), []);
});

test('DSM 7, a host for each node: a rebuilt node’s new IQN is added to its host, and the old one told with what to click', async () => {
  await using desk = await masked({ name: 'cp-1', initiators: [iqn('aaaa')] }, { name: 'w-1', initiators: [iqn('bbbb')] });
  assert.deepEqual(await findingsOf(desk.host, desk.nas, credentials, nodes), []);
  await assert.rejects(login(desk, iqn('cccc')), /0x0202/);
  const [finding] = await findingsOf(desk.host, desk.nas, credentials, rebuilt);
  assert.equal(finding?.kind, 'initiator absent');
  assert.deepEqual(await writesOf(desk, () => ensureStorage(desk.host, desk.nas, credentials, rebuilt)), ['map_initiator']);
  await login(desk, iqn('cccc'));
  assert.deepEqual(desk.lab.hosts().map((host) => host.initiators), [[iqn('aaaa')], [iqn('bbbb'), iqn('cccc')]]);
  assert.match(await notes(desk), /bbbb is no node of this cluster.*SAN Manager → Host → Edit → Initiators/);
  assert.deepEqual(await writesOf(desk, () => ensureStorage(desk.host, desk.nas, credentials, rebuilt)), []);
});

test('DSM 7, one host for the whole cluster', async () => {
  await using desk = await masked({ name: 'gandalf', initiators: [iqn('aaaa'), iqn('bbbb')] });
  assert.deepEqual(await writesOf(desk, () => ensureStorage(desk.host, desk.nas, credentials, rebuilt)), ['map_initiator']);
  assert.deepEqual(desk.lab.hosts()[0]?.initiators, [iqn('aaaa'), iqn('bbbb'), iqn('cccc')]);
});

test('hosts of which none is the node’s: told with the clicks, nothing written', async () => {
  await using desk = await masked({ name: 'one', initiators: [iqn('aaaa')] }, { name: 'two', initiators: [iqn('bbbb')] });
  let error: FirstlightError | undefined;
  assert.deepEqual(await writesOf(desk, async () => { error = await failure(ensureStorage(desk.host, desk.nas, credentials, rebuilt)); }), []);
  assert.equal(error?.code, 'E_STORAGE_MASKED');
  assert.match(error!.hint, /SAN Manager → Host.*add iqn\.2017-11\.dev\.talos:cccc/);
});

test('a DSM that takes the new IQN in place of the others is noticed at once, with who must be added again', async () => {
  await using desk = await masked({ name: 'gandalf', initiators: [iqn('aaaa'), iqn('bbbb')] });
  await desk.lab.fail({ kind: 'replace initiators' });
  const error = await failure(ensureStorage(desk.host, desk.nas, credentials, rebuilt));
  assert.equal(error.code, 'E_STORAGE_MASKING_LOST');
  assert.match(error.hint, /talos:aaaa, iqn\.2017-11\.dev\.talos:bbbb/);
});

for (const number of [103, 18990004]) {
  test(`a DSM that refuses the way to add an initiator (${number}): told with the clicks`, async () => {
    await using desk = await masked({ name: 'gandalf', initiators: [iqn('aaaa'), iqn('bbbb')] });
    await desk.lab.fail({ kind: 'dsm error', code: number, api: 'SYNO.Core.ISCSI.Host', method: 'map_initiator' });
    const error = await failure(ensureStorage(desk.host, desk.nas, credentials, rebuilt));
    assert.equal(error.code, 'E_STORAGE_MASKED');
    assert.ok(error.cause instanceof FirstlightError && error.cause.message.includes(String(number)));
    assert.match(error.hint, /add iqn\.2017-11\.dev\.talos:cccc/);
  });
}

test('DSM 6: the target’s own list decides, and what it lacks is told with the clicks', async () => {
  await using desk = await openDesk(ADDRESS, { https: false, dsm: 6 });
  await ensureStorage(desk.host, desk.nas, credentials, rebuilt);
  desk.lab.maskTarget(LUN.iqn, [iqn('aaaa'), iqn('bbbb')]);
  assert.deepEqual(await findingsOf(desk.host, desk.nas, credentials, nodes), []);
  const error = await failure(ensureStorage(desk.host, desk.nas, credentials, rebuilt));
  assert.equal(error.code, 'E_STORAGE_MASKED');
  assert.match(error.hint, /Target → gandalf-data → Edit → Masking, add iqn\.2017-11\.dev\.talos:cccc/);
  assert.match(await notes(desk), /bbbb is no node.*Masking/);
});

test('a masked LUN is not proven from a desk that is not let in, and masking that no list shows is told', async () => {
  await using desk = await masked({ name: 'gandalf', initiators: [iqn('aaaa'), iqn('bbbb')] });
  const look = await observeStorage(desk.host, desk.nas, credentials, nodes);
  assert.deepEqual([look.findings, look.luns.map((lun) => lun.masked)], [[], [true]]);
  assert.deepEqual(await proveStorage(desk.host, desk.nas, credentials, new Map(look.luns.map((lun) => [lun.name, lun]))), []);
  await desk.lab.fail({ kind: 'dsm error', code: 103, api: 'SYNO.Core.ISCSI.Host', method: 'list' });
  assert.equal((await failure(ensureStorage(desk.host, desk.nas, credentials, nodes))).code, 'E_ISCSI_ACL');
});
