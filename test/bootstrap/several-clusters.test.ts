import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { after, before, test } from 'node:test';
import { checkSteps } from '../../bootstrap/check.ts';
import { createFacts } from '../../bootstrap/facts.ts';
import { planInit, runInit, type InitPlan, type NewCluster } from '../../bootstrap/init.ts';
import { csiSecret } from '../../gitops/client-info.ts';
import { CSI_DRIVER, ownSecretsFolder, SHARED_ACCOUNT } from '../../gitops/csi-folder.ts';
import { builtManifests } from '../../gitops/manifests.ts';
import { seal } from '../../gitops/sealed-secret.ts';
import { workTreeFaults } from '../../gitops/secrets/check.ts';
import { openHomelab, recipientsFor, secretFiles } from '../../gitops/secrets/homelab.ts';
import { opensAlone } from '../../gitops/secrets/opening.ts';
import { setSecret } from '../../gitops/secrets/set.ts';
import { ageKey } from '../support/age.ts';
import { testHost } from '../support/host.ts';

// Three clusters that init made share one repository and no secret: who reads which file is proven by decrypting, with each key alone.

const OWNER = { GIT_AUTHOR_NAME: 'owner', GIT_AUTHOR_EMAIL: 'o@localhost', GIT_COMMITTER_NAME: 'owner', GIT_COMMITTER_EMAIL: 'o@localhost' };
const NAMES = ['prod', 'dev', 'stage'] as const;
const host = testHost(OWNER);
const root = join(host.scratch, 'homelab');
const plans = new Map<string, InitPlan>();
let owner = '';

function wanted(name: string, prefix: string): NewCluster {
  return { root, template: fileURLToPath(new URL('../../examples/homelab', import.meta.url)), name, prefix, url: 'ssh://git@192.168.90.6:22/homelab.git', owner };
}

before(async () => {
  const key = await ageKey(host, 'laptop');
  host.environment['SOPS_AGE_KEY_FILE'] = key.file;
  owner = key.recipient;
  for (const [index, name] of NAMES.entries()) {
    const plan = await planInit(host, wanted(name, `192.168.${91 + index}`));
    await runInit(host, plan);
    plans.set(name, plan);
  }
  const homelab = await openHomelab(host, root);
  for (const cluster of homelab.clusters) {
    await setSecret(host, homelab, { path: `apps/${cluster.name}/token.sops.yaml`, key: 'token', value: `canary-of-${cluster.name}`, namespace: 'podinfo' });
    const path = `${ownSecretsFolder(cluster)}/client-info.sops.yaml`;
    const { content } = await seal(host, cluster, { path, plain: csiSecret(cluster, { nasPassword: `canary-nas-of-${cluster.name}` }) });
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), content);
  }
  await setSecret(host, homelab, { path: 'infrastructure/configs/shared.sops.yaml', key: 'token', value: 'canary-of-all', namespace: 'monitoring' });
});
after(() => host.remove());

test('every file is encrypted for its readers, and `secrets check` agrees', async () => {
  const homelab = await openHomelab(host, root);
  assert.deepEqual(homelab.clusters.map((cluster) => cluster.name), ['dev', 'prod', 'stage']);
  assert.deepEqual(await workTreeFaults(host, homelab), []);
  const files = await secretFiles(host, homelab);
  assert.deepEqual(files.map(({ path }) => [path, recipientsFor(homelab, path).filter((one) => one.role === 'cluster').map((one) => one.name)]), [
    ...['dev', 'prod', 'stage'].map((name) => [`apps/${name}/token.sops.yaml`, [name]]),
    ['infrastructure/configs/shared.sops.yaml', ['dev', 'prod', 'stage']],
    ...['dev', 'prod', 'stage'].map((name) => [`infrastructure/secrets/${name}/client-info.sops.yaml`, [name]]),
    ...['dev', 'prod', 'stage'].map((name) => [`machines/${name}/credentials.sops.yaml`, [name]]),
  ]);
});

for (const name of NAMES) {
  test(`the key of ${name} alone opens what ${name} reads and nothing of the others`, async () => {
    const files = (await secretFiles(host, await openHomelab(host, root))).map(({ path }) => path);
    const opened = await Promise.all(files.map((path) => opensAlone(host, join(root, path), plans.get(name)?.clusterIdentity ?? '')));
    assert.deepEqual(files.filter((_, index) => opened[index]), [
      `apps/${name}/token.sops.yaml`, 'infrastructure/configs/shared.sops.yaml', `infrastructure/secrets/${name}/client-info.sops.yaml`, `machines/${name}/credentials.sops.yaml`,
    ]);
  });
}

test('what Flux of one cluster is to apply holds no Secret of another; what they share is the same for all', async () => {
  const shared = async (name: string): Promise<string[]> => (await builtManifests(host, root, `clusters/${name}`))
    .filter(({ file }) => file !== undefined && !file.split('/').includes(name)).map(({ object, file }) => `${file} ${JSON.stringify(object)}`).sort();
  const [prod, ...others] = await Promise.all(NAMES.map(shared));
  for (const other of others) assert.deepEqual(other, prod);
  assert.ok(prod!.length > 10);
  for (const name of NAMES) for (const line of prod!) assert.ok(!line.includes(`/${name}/`) && !line.includes(`192.168.9`), line);
  const sources = (await builtManifests(host, root, 'clusters/dev')).map(({ file }) => file ?? '');
  assert.deepEqual(sources.filter((file) => /(^|\/)(prod|stage)\//.test(file)), []);
});

test('one cluster’s NAS account where all would apply it is told by init and by check, before anything is pushed', async () => {
  const look = (cluster: InitPlan['cluster']) => checkSteps(createFacts(cluster, host.scratch)).find(({ id }) => id === 'nas-account')!.observe(host);
  const { cluster } = plans.get('dev')!;
  assert.deepEqual(await look(cluster), { state: 'done', detail: 'infrastructure/secrets/dev, for dev alone' });
  assert.equal((await planInit(host, wanted('test', '192.168.94'))).move, undefined);
  writeFileSync(join(root, SHARED_ACCOUNT), 'sops: {}\n');
  const list = join(root, CSI_DRIVER, 'kustomization.yaml');
  writeFileSync(list, `${readFileSync(list, 'utf8')}  - client-info.sops.yaml\n`);
  await assert.rejects(look(cluster), { code: 'E_GIT_LAYOUT' });
  assert.match((await planInit(host, wanted('test', '192.168.94'))).move ?? '', /client-info\.sops\.yaml is another cluster's NAS account\. Once, in one commit: `git mv`/);
});
