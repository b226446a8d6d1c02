import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { observeClaims, type LunWithClaim } from '../../gitops/claims.ts';
import { testHost } from '../support/host.ts';

// What kubectl shows of volumes and claims, in its own words; that a real cluster binds them is shown by the rehearsal.

const host = testHost();
after(() => host.remove());

const lun: LunWithClaim = { name: 'data', bytes: 20 * 2 ** 30, iqn: 'iqn.2000-01.com.synology:data', user: 'u', claim: { namespace: 'home', name: 'notes', fsType: 'ext4' } };
type Seen = { phase?: string; iqn?: string; claimUid?: string } | undefined;
const volume = (seen: Seen): object[] => (seen ? [{ apiVersion: 'v1', kind: 'PersistentVolume', metadata: { name: 'data' }, status: { phase: seen.phase ?? 'Bound' },
  spec: { capacity: { storage: '20Gi' }, iscsi: { iqn: seen.iqn ?? lun.iqn }, claimRef: { namespace: 'home', name: 'notes', ...(seen.claimUid ? { uid: seen.claimUid } : {}) } } }] : []);
type Asked = { phase?: string; volumeName?: string; uid?: string; class?: string } | undefined;
const claim = (asked: Asked): object[] => (asked ? [{ apiVersion: 'v1', kind: 'PersistentVolumeClaim', metadata: { name: 'notes', namespace: 'home', uid: asked.uid ?? 'a' },
  spec: { storageClassName: asked.class ?? 'nas-lun', ...(asked.volumeName === undefined ? {} : { volumeName: asked.volumeName }) }, status: { phase: asked.phase ?? 'Bound' } }] : []);

async function states(seen: Seen, asked: Asked) {
  const lists: Readonly<Record<string, object[]>> = { persistentvolumes: volume(seen), persistentvolumeclaims: claim(asked) };
  const run: typeof host.run = async ({ args }) => ({ exitCode: 0, stdout: JSON.stringify({ kind: 'List', items: lists[args![1]!] }), stderr: '' });
  return observeClaims({ ...host, run }, 'kubeconfig', [lun]);
}

test('bound to its own volume is all that is wanted', async () => {
  assert.deepEqual(await states({ claimUid: 'a' }, { volumeName: 'data' }), { bound: ['data is bound to home/notes, 20Gi'], waiting: [], faults: [] });
});

const WAITS: [string, Seen, Asked, RegExp][] = [
  ['no volume yet', undefined, { phase: 'Pending' }, /no PersistentVolume data yet/],
  ['no claim', { phase: 'Available' }, undefined, /no PersistentVolumeClaim home\/notes; .* storageClassName nas-lun/],
  ['not bound yet', { phase: 'Available' }, { phase: 'Pending' }, /home\/notes is Pending$/],
  ['another class', { phase: 'Available' }, { phase: 'Pending', class: 'synology-iscsi' }, /of the class synology-iscsi instead of nas-lun/],
];
for (const [name, seen, asked, words] of WAITS) {
  test(`waits: ${name}`, async () => {
    const { bound, waiting, faults } = await states(seen, asked);
    assert.deepEqual([bound.length, waiting.length, faults.length], [0, 1, 0]);
    assert.match(waiting[0]!, words);
  });
}

const FAULTS: [string, Seen, Asked, string][] = [
  ['the claim has an empty volume of another class', { phase: 'Available' }, { volumeName: 'pvc-1' }, 'E_CLAIM_ELSEWHERE'],
  ['its claim was deleted', { phase: 'Released', claimUid: 'a' }, undefined, 'E_CLAIM_RELEASED'],
  ['its claim was deleted and made anew', { phase: 'Bound', claimUid: 'a' }, { uid: 'b', phase: 'Lost', volumeName: 'data' }, 'E_CLAIM_RELEASED'],
  ['the volume has another target', { iqn: 'iqn.2000-01.com.synology:other' }, { volumeName: 'data' }, 'E_CLAIM_TARGET'],
];
for (const [name, seen, asked, code] of FAULTS) {
  test(`refuses: ${name}`, async () => {
    const { bound, waiting, faults } = await states(seen, asked);
    assert.deepEqual([bound, waiting, faults.map((fault) => fault.code)], [[], [], [code]]);
    assert.ok(faults[0]!.hint.length > 30);
  });
}
