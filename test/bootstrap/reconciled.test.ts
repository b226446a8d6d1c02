import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { createFacts } from '../../bootstrap/facts.ts';
import { reconciledStep } from '../../bootstrap/steps/gitops.ts';
import { condition } from '../../gitops/kubectl.ts';
import type { Command, Host } from '../../lib/host.ts';
import { loadCluster } from '../../nodes/load.ts';
import { testHost } from '../support/host.ts';

// How the wait for Flux tells what is in the way, and asks again where Flux itself would wait for minutes.

const host = testHost();
after(() => host.remove());
const revision = 'a'.repeat(40);

/** A Kustomization of generation 1; Flux writes status.observedGeneration only after its first success. */
function kustomization(name: string, ready: { readonly status: string; readonly message: string }) {
  const spec = { sourceRef: { kind: 'GitRepository', name: 'flux-system' } };
  const done = ready.status === 'True' ? { observedGeneration: 1, lastAppliedRevision: `main@sha1:${revision}` } : { observedGeneration: -1 };
  return { kind: 'Kustomization', metadata: { name, namespace: 'flux-system', generation: 1 }, spec, status: { ...done, conditions: [{ type: 'Ready', reason: 'x', observedGeneration: 1, ...ready }] } };
}

test('what failed is said in Flux’s words though its generation is not observed; what was only begun did not fail', () => {
  const tried = (status: string, message: string) => condition(kustomization('apps', { status, message }));
  assert.deepEqual(tried('False', 'no matches for kind "X"'), { met: false, message: 'no matches for kind "X"', failed: true });
  assert.deepEqual(tried('Unknown', 'Reconciliation in progress'), { met: false, message: 'Reconciliation in progress', failed: false });
  const older = kustomization('apps', { status: 'False', message: 'of an older generation' });
  assert.equal(condition({ ...older, metadata: { ...older.metadata, generation: 2 } }).message, 'its newest generation is not reconciled yet');
});

test('where nothing changes for 20 s, Flux is asked to try again what failed, and only that', async () => {
  const { nas: _, ...cluster } = await loadCluster(fileURLToPath(new URL('../inventories/valid/everything.yaml', import.meta.url)));
  const asked: string[][] = [];
  let now = 0;
  const run = async ({ args }: Command) => {
    if (args.includes('annotate')) asked.push(args.filter((arg) => !/^-|^flux-system$|requestedAt|^annotate$/.test(arg) || arg === '--all'));
    const again = asked.length > 2;
    const items = [
      kustomization('flux-system', { status: 'True', message: 'applied' }),
      kustomization('monitoring', again ? { status: 'True', message: 'applied' } : { status: 'False', message: 'failed to verify archive' }),
      kustomization('apps', again ? { status: 'True', message: 'applied' } : { status: 'Unknown', message: 'Reconciliation in progress' }),
    ];
    return { exitCode: 0, stdout: args.includes('get') ? JSON.stringify({ kind: 'List', items }) : '', stderr: '' };
  };
  const world: Host = { ...host, run, clock: { now: () => now, sleep: async (ms) => { now += ms; } } };
  const step = reconciledStep(createFacts(cluster, host.scratch), async () => ({ folder: '', branch: 'main', revision, access: () => assert.fail() }));
  await step.act(world);
  assert.deepEqual(asked, [['gitrepositories.source.toolkit.fluxcd.io/flux-system'], ['kustomizations.kustomize.toolkit.fluxcd.io', '--all'], ['gitrepositories.source.toolkit.fluxcd.io/flux-system'], ['kustomizations.kustomize.toolkit.fluxcd.io', 'monitoring']]);
  assert.ok(now >= 20_000 && now < 25_000, `${now}`);
  assert.match(host.events.map(({ message }) => message).join('\n'), /monitoring: failed to verify archive; apps: Reconciliation in progress/);
});
