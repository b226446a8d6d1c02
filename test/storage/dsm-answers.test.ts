import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { z } from 'zod';
import { listHosts } from '../../storage/dsm/hosts.ts';
import { listLuns } from '../../storage/dsm/luns.ts';
import type { Dsm } from '../../storage/dsm/session.ts';
import { listTargets } from '../../storage/dsm/targets.ts';

// Answers in the forms that DSM's clients in public show (DSM 6.2 and 7.x): what may be missing or null must not stop us.

function answering(data: unknown): Dsm {
  return { address: 'nas', has: () => true, call: async <T>(_api: string, _method: string, _params: object, shape: z.ZodType<T>) => shape.parse(data) };
}

test('LUNs: sizes as numbers or texts, null where there is nothing', async () => {
  const luns = await listLuns(answering({ luns: [
    { uuid: 'a', name: 'LUN-1', size: '1073741824', location: '/volume1', status: 'normal', description: null, retention: null, scheduled_task: [] },
    { uuid: 'b', name: 'kube', size: 53687091200, lun_id: 2, type: 263 },
  ] }));
  assert.deepEqual(luns.map((lun) => [lun.name, lun.size, lun.location, lun.status, lun.description]), [['LUN-1', 2 ** 30, '/volume1', 'normal', ''], ['kube', 53687091200, '', '', '']]);
});

test('targets: without acls and sessions (DSM 7), with all (DSM 6)', async () => {
  const common = { auth_type: 0, iqn: 'iqn.2000-01.com.synology:t', is_enabled: true, max_sessions: 1, name: 't', target_id: 1, user: '', mutual_user: '' };
  const [new7, old6] = await listTargets(answering({ targets: [
    { ...common, mapped_luns: null, network_portals: [{ interface_name: 'all', ip: '', port: 3260 }] },
    { ...common, acls: [{ iqn: 'iqn.2000-01.com.synology:default.acl', permission: 'rw' }], connected_sessions: [{ iqn: 'iqn.x:y', ip: null }], mapped_luns: [{ lun_uuid: 'a', mapping_index: 1 }] },
  ] }));
  assert.deepEqual([new7?.mapped_luns, new7?.acls, new7?.connected_sessions], [[], [], []]);
  assert.deepEqual([old6?.acls[0]?.permission, old6?.connected_sessions[0]?.ip, old6?.mapped_luns[0]?.mapping_index], ['rw', '', 1]);
});

test('hosts: none, and identities as numbers or texts', async () => {
  assert.deepEqual(await listHosts(answering({ hosts: [] })), []);
  assert.deepEqual((await listHosts(answering({ hosts: [{ host_id: 3, name: 'gandalf', initiator_ids: null, acls: [{ lun_uuid: 'a', permission: 'rw' }] }] }))).map((host) => [host.host_id, host.initiator_ids]), [['3', []]]);
  assert.deepEqual(await listHosts({ ...answering({}), has: () => false }), []);
});
