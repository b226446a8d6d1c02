import assert from 'node:assert/strict';
import { test } from 'node:test';
import { refuseConflicts, type FluxState, type FluxVersions, type FluxWay } from '../../gitops/flux-state.ts';
import type { KubeObject } from '../../gitops/kubectl.ts';
import type { FirstlightError, ManyErrors } from '../../lib/errors.ts';

const gitops = { url: 'ssh://git@192.168.77.6/homelab.git', branch: 'main', path: 'clusters/gandalf', hostKey: 'ssh-ed25519 AAAA' };
const none: FluxVersions = { comes: 'v2.9.5', cluster: undefined, repository: undefined, pinned: undefined };
const object = (kind: string, spec: Record<string, unknown>): KubeObject => ({ kind, metadata: { name: 'flux-system' }, spec });
const empty: FluxState = { deployments: new Map() };

function refused(state: FluxState, versions: Partial<FluxVersions> = {}, way: FluxWay = 'bootstrap'): FirstlightError | undefined {
  try {
    refuseConflicts(state, gitops, { ...none, ...versions }, way);
    return undefined;
  } catch (error) {
    return error as FirstlightError;
  }
}

test('another path, a suspended source and a suspended Kustomization are each refused, and together', () => {
  assert.equal(refused(empty), undefined);
  assert.equal(refused({ ...empty, kustomization: object('Kustomization', { path: './clusters/gandalf/' }) }), undefined);
  assert.equal(refused({ ...empty, kustomization: object('Kustomization', { path: './clusters/other' }) })?.code, 'E_FLUX_PATH');
  assert.match(refused({ ...empty, source: object('GitRepository', { suspend: true }) })?.hint ?? '', /flux resume source git flux-system/);
  assert.match(refused({ ...empty, kustomization: object('Kustomization', { suspend: true }) })?.hint ?? '', /flux resume kustomization flux-system/);
  const all = refused({ ...empty, source: object('GitRepository', { suspend: true }), kustomization: object('Kustomization', { path: 'x', suspend: true }) }, { pinned: 'v2.9.4' });
  assert.equal(all?.code, 'E_FLUX_CONFLICT');
  assert.deepEqual((all as ManyErrors).problems.map(({ code }) => code), ['E_FLUX_PATH', 'E_FLUX_SUSPENDED', 'E_FLUX_SUSPENDED', 'E_FLUX_VERSION']);
});

test('a flux program of another version is refused, wherever the other one stands; a newer one may come if told, an older one never', () => {
  const places = { cluster: /the cluster has/, repository: /the repository has/, pinned: /firstlight\.lock\.yaml pins/ } as const;
  for (const [place, told] of Object.entries(places)) {
    const versions = (there: string) => ({ [place]: there });
    assert.equal(refused(empty, versions('v2.9.5')), undefined);
    const newer = refused(empty, versions('v2.8.7'));
    assert.equal(newer?.code, 'E_FLUX_VERSION');
    assert.match(`${newer.message} | ${newer.hint}`, new RegExp(`${told.source} v2\\.8\\.7: a bootstrap would commit an upgrade.*--upgrade-flux`));
    assert.equal(refused(empty, versions('v2.8.7'), 'upgrade'), undefined);
    for (const way of ['bootstrap', 'upgrade'] as const) assert.match(refused(empty, versions('v2.10.0'), way)?.message ?? '', /can’t go back/);
  }
  const mixed = refused(empty, { cluster: 'v2.8.7', repository: 'v2.9.5', pinned: 'v2.8.6' });
  assert.match(mixed?.message ?? '', /the cluster has v2\.8\.7, firstlight\.lock\.yaml pins v2\.8\.6/);
});

test('offline nothing of another version than the cluster’s or the pinned one is applied, be it newer or older', () => {
  for (const there of ['v2.8.7', 'v2.10.0']) {
    assert.equal(refused(empty, { cluster: there }, 'offline')?.code, 'E_FLUX_VERSION');
    assert.equal(refused(empty, { pinned: there }, 'offline')?.code, 'E_FLUX_VERSION');
  }
  assert.equal(refused(empty, { cluster: 'v2.9.5', pinned: 'v2.9.5' }, 'offline'), undefined);
});
