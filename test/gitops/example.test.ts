import assert from 'node:assert/strict';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { after, test } from 'node:test';
import { parse, parseAllDocuments } from 'yaml';
import { testHost } from '../support/host.ts';
import { LUN_CLASS } from '../../gitops/volume-manifests.ts';
import { loadCluster } from '../../nodes/load.ts';
import { EXAMPLE } from './support.ts';

type Kustomization = {
  readonly apiVersion: string; readonly kind: string; readonly metadata: { readonly name: string; readonly namespace: string };
  readonly spec: {
    readonly path: string; readonly prune: boolean; readonly wait: boolean; readonly interval: string; readonly timeout: string; readonly retryInterval: string;
    readonly components?: readonly string[]; readonly dependsOn?: readonly { readonly name: string }[]; readonly decryption: unknown; readonly sourceRef: unknown;
  };
};

const host = testHost();
after(() => host.remove());
const files = readdirSync(EXAMPLE, { recursive: true, encoding: 'utf8' }).filter((name) => statSync(join(EXAMPLE, name)).isFile());
const declared = files.filter((name) => /^clusters\/[^/]+\/[^/]+\.yaml$/.test(name))
  .flatMap((name) => parseAllDocuments(readFileSync(join(EXAMPLE, name), 'utf8')).map((document) => document.toJS() as Kustomization));

for (const folder of files.filter((name) => name.endsWith('kustomization.yaml') && /^kind: Kustomization$/m.test(readFileSync(join(EXAMPLE, name), 'utf8'))).map((name) => dirname(name))) {
  test(`kubectl kustomize builds ${folder}`, async () => {
    const { stdout } = await host.run({ program: 'kubectl', args: ['kustomize', join(EXAMPLE, folder)] });
    const objects = parseAllDocuments(stdout).map((document) => document.toJS() as { apiVersion?: string; kind?: string; metadata?: { name?: string } });
    assert.ok(objects.length > 0 || folder === 'infrastructure/controllers');
    for (const object of objects) assert.ok(object.apiVersion && object.kind && object.metadata?.name);
  });
}

test('the component gives whoever asks for it a place in memory, and nobody else', async () => {
  const { stdout } = await host.run({ program: 'kubectl', args: ['kustomize', join(EXAMPLE, 'apps/gandalf')] });
  const volumes = parseAllDocuments(stdout).map((document) => document.toJS() as { kind: string; metadata: { name: string }; spec?: { template?: { spec: { volumes?: object[] } } } })
    .filter((object) => object.spec?.template).map((object) => [object.kind, object.metadata.name, object.spec!.template!.spec.volumes]);
  const memory = { name: 'memory', emptyDir: { medium: 'Memory', sizeLimit: '64Mi' } };
  assert.deepEqual(volumes, [['Deployment', 'podinfo', [memory]], ['StatefulSet', 'gitea', [memory, { name: 'data', persistentVolumeClaim: { claimName: 'gitea' } }]]]);
});

test('the claim of the LUN in cluster.yaml is the one that an application has', async () => {
  const { nas } = await loadCluster(join(EXAMPLE, 'machines/gandalf'));
  const { metadata, spec } = parse(readFileSync(join(EXAMPLE, 'apps/base/gitea/claim.yaml'), 'utf8')) as { metadata: { name: string }; spec: { storageClassName: string; resources: object } };
  assert.deepEqual(nas?.luns.map(({ claim }) => claim), [{ namespace: 'gitea', name: metadata.name, fsType: 'ext4' }]);
  assert.deepEqual([spec.storageClassName, spec.resources], ['nas-lun', { requests: { storage: '20Gi' } }]);
  assert.equal((parse(readFileSync(join(EXAMPLE, 'infrastructure/configs/storage/nas-lun.yaml'), 'utf8')) as { metadata: { name: string } }).metadata.name, LUN_CLASS);
});

test('the cluster’s Kustomizations are the chain of the Flux guide, each able to decrypt', () => {
  assert.deepEqual(declared.map((each) => [each.metadata.name, each.spec.dependsOn?.map((need) => need.name).join() ?? '']).sort(), [
    ['apps', 'infra-configs,volumes'], ['infra-configs', 'infra-controllers'], ['infra-controllers', ''], ['monitoring', 'infra-configs'], ['volumes', ''],
  ]);
  for (const { apiVersion, kind, metadata, spec } of declared) {
    assert.deepEqual([apiVersion, kind, metadata.namespace], ['kustomize.toolkit.fluxcd.io/v1', 'Kustomization', 'flux-system']);
    const { prune, wait, interval, timeout, retryInterval, decryption, sourceRef } = spec;
    assert.deepEqual({ prune, wait, interval, timeout, retryInterval, decryption, sourceRef }, {
      prune: true, wait: true, interval: '1h', timeout: '5m', retryInterval: '2m',
      decryption: { provider: 'sops', secretRef: { name: 'sops-age' } }, sourceRef: { kind: 'GitRepository', name: 'flux-system' },
    });
    for (const folder of ['', ...spec.components ?? []]) assert.ok(files.includes(normalize(join(spec.path, folder, 'kustomization.yaml'))), folder || spec.path);
  }
});

test('sops rules name the recipients of the inventory', () => {
  const inventory = parse(readFileSync(join(EXAMPLE, 'machines/gandalf/cluster.yaml'), 'utf8')) as { secrets: { recipients: { key: string }[] } };
  const rules = parse(readFileSync(join(EXAMPLE, '.sops.yaml'), 'utf8')) as { creation_rules: { age: string }[] };
  const wanted = inventory.secrets.recipients.map((recipient) => recipient.key);
  for (const rule of rules.creation_rules) assert.deepEqual(rule.age.split(/,\s*/).map((key) => key.trim()), wanted);
});

test('the example holds no private key and no Secret in the clear', () => {
  for (const name of files) {
    const text = readFileSync(join(EXAMPLE, name), 'utf8');
    assert.doesNotMatch(text, /AGE-SECRET-KEY-1|PRIVATE KEY/, name);
    if (name.endsWith('.yaml') && /^kind: Secret$/m.test(text)) assert.match(text, /^sops:$/m, name);
  }
});
