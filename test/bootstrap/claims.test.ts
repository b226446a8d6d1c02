import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { stringify } from 'yaml';
import { claimsReport } from '../../bootstrap/claims.ts';
import type { FirstlightError, ManyErrors } from '../../lib/errors.ts';
import { loadCluster } from '../../nodes/load.ts';
import { testHost } from '../support/host.ts';

const GITOPS = { url: 'ssh://git@192.168.77.6:22/homelab.git', branch: 'main', path: 'clusters/tiny', hostKey: '' };
const LUN = { name: 'data', bytes: 20 * 2 ** 30, iqn: 'iqn.2000-01.com.synology:data', user: 'u', claim: { namespace: 'home', name: 'notes', fsType: 'ext4' as const } };

test('a claim in the repository that could never be bound to its LUN is told at its place, all of it at once; one that is not there is a warning', async () => {
  const host = testHost();
  const folder = join(host.scratch, 'homelab');
  mkdirSync(join(folder, GITOPS.path), { recursive: true });
  const write = (spec: object): void => writeFileSync(join(folder, GITOPS.path, 'claim.yaml'), stringify({ apiVersion: 'v1', kind: 'PersistentVolumeClaim', metadata: { name: 'notes', namespace: 'home' }, spec }));
  const asking = (storage: string, more: object = {}) => ({ storageClassName: 'nas-lun', accessModes: ['ReadWriteOnce'], resources: { requests: { storage } }, ...more });
  const look = (): Promise<string> => claimsReport(host, [LUN, { ...LUN, name: 'other', claim: undefined }] as never, GITOPS, folder);
  try {
    write(asking('20Gi'));
    assert.equal(await look(), 'home/notes fits data');
    write(asking('21Gi'));
    await assert.rejects(look(), (error: FirstlightError) => error.code === 'E_CLAIM_SIZE' && error.where.file === 'clusters/tiny/claim.yaml' && error.where.line === 12);
    write(asking('1Ti', { storageClassName: 'synology-iscsi', accessModes: ['ReadWriteMany'], volumeName: 'pvc-1' }));
    await assert.rejects(look(), (error: ManyErrors) => (
      assert.deepEqual(error.problems.map((each) => each.code), ['E_CLAIM_CLASS', 'E_CLAIM_ELSEWHERE', 'E_CLAIM_ACCESS', 'E_CLAIM_SIZE']), error.problems.every((each) => each.where.line !== undefined)));
    writeFileSync(join(folder, GITOPS.path, 'claim.yaml'), stringify({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'notes', namespace: 'home' } }));
    assert.match(await look(), /^nothing in the repository declares home\/notes .*StatefulSet/);
  } finally {
    host.remove();
  }
});

test('the example’s claim fits its LUN', async () => {
  const host = testHost();
  const homelab = join(import.meta.dirname, '../../examples/homelab');
  const gandalf = await loadCluster(join(homelab, 'machines/gandalf'));
  assert.equal(await claimsReport(host, gandalf.nas!.luns, gandalf.gitops!, homelab), 'gitea/gitea fits gandalf-data');
  host.remove();
});
