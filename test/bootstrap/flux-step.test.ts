import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createFacts, type Facts } from '../../bootstrap/facts.ts';
import { fluxStep, writingNothing } from '../../bootstrap/steps/gitops.ts';
import { REAL_PATIENCE, upSteps } from '../../bootstrap/up.ts';
import { COMPONENTS } from '../../gitops/flux-state.ts';
import { knownHostsLine } from '../../gitops/remote.ts';
import type { Command, Host } from '../../lib/host.ts';
import { readLock, updateLock } from '../../lib/lock-file.ts';
import { loadCluster } from '../../nodes/load.ts';
import { testHost, type TestHost } from '../support/host.ts';

// Which version is pinned when, and what a run does that writes nothing to git; Flux itself is in test/gitops/flux.test.ts.

const everything = fileURLToPath(new URL('../inventories/valid/everything.yaml', import.meta.url));
let host: TestHost;
let facts: Facts;

beforeEach(async () => {
  host = testHost();
  facts = { ...createFacts(await loadCluster(everything), host.scratch), lockFile: join(host.scratch, 'firstlight.lock.yaml') };
});
afterEach(() => host.remove());

/** The host, as if Flux ran whole in the cluster at `version` and the flux program were of `comes`. */
function withFlux(version: string, comes = version): Host {
  const gitops = facts.cluster.gitops!;
  const named = (kind: string, more: object) => ({ kind, metadata: { name: 'flux-system' }, ...more });
  const answers: Record<string, object> = {
    crd: { kind: 'CustomResourceDefinition', metadata: { name: 'gitrepositories', labels: { 'app.kubernetes.io/version': version } } },
    rest: { kind: 'List', items: [
      named('GitRepository', { spec: { url: gitops.url, ref: { branch: gitops.branch } } }), named('Kustomization', { spec: { path: gitops.path } }),
      named('Secret', { data: { known_hosts: Buffer.from(`${knownHostsLine(gitops)}\n`).toString('base64') } }),
      ...COMPONENTS.map((name) => ({ kind: 'Deployment', metadata: { name }, status: { availableReplicas: 1 } })),
    ] },
  };
  const run = async ({ program, args }: Command) => {
    if (program === 'flux' && args[0] === 'version') return { exitCode: 0, stdout: `{ "flux": "${comes}" }`, stderr: '' };
    assert.deepEqual([program, args[0]], ['kubectl', 'get'], 'only looks are taken');
    return { exitCode: 0, stdout: JSON.stringify(args.some((arg) => arg.startsWith('customresourcedefinitions/')) ? answers['crd'] : answers['rest']), stderr: '' };
  };
  return { ...host, run };
}

test('the version that is there is pinned once, and stays though the program is a newer one', async () => {
  const step = fluxStep(facts, []);
  assert.match(JSON.stringify(await step.observe(withFlux('v2.9.4'))), /needed.*Flux v2\.9\.4 is there; its version is to be pinned/);
  await step.act(withFlux('v2.9.4'));
  assert.equal((await readLock(facts.lockFile)).flux, 'v2.9.4');
  assert.equal((await step.observe(withFlux('v2.9.4', 'v2.9.5'))).state, 'done');
});

test('an upgrade is to be done until the cluster has the program’s version, and is pinned when it has', async () => {
  await updateLock(facts.lockFile, { flux: 'v2.9.4' });
  const step = fluxStep(facts, [], 'upgrade');
  assert.match(JSON.stringify(await step.observe(withFlux('v2.9.4', 'v2.9.5'))), /needed.*v2\.9\.4 is to become v2\.9\.5/);
  assert.match(JSON.stringify(await step.observe(withFlux('v2.9.5'))), /needed.*to be pinned/);
  await step.act(withFlux('v2.9.5'));
  assert.equal((await readLock(facts.lockFile)).flux, 'v2.9.5');
  assert.equal((await step.observe(withFlux('v2.9.5'))).state, 'done');
});

test('a run that writes nothing to git has the same steps in the same order, and says what it would have written', async () => {
  const shape = (way: 'bootstrap' | 'offline') => upSteps(facts, REAL_PATIENCE, way).map(({ id, needs }) => [id, needs]);
  assert.deepEqual(shape('offline'), shape('bootstrap'));
  const written: string[] = [];
  const step = { id: 'csi-secret', part: 'GitOps', title: 'CSI credentials', needs: [], observe: async () => ({ state: 'needed' as const, why: 'client-info.sops.yaml is not in the repository' }), act: async () => void written.push('pushed') };
  await assert.rejects(writingNothing(step).act(host), { code: 'E_GIT_OFFLINE', message: /CSI credentials: client-info\.sops\.yaml is not in the repository/ });
  assert.deepEqual(written, []);
});
