import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { test } from 'node:test';
import { parseDocument, type YAMLMap, type YAMLSeq } from 'yaml';
import { planInit, runInit } from '../../../bootstrap/init.ts';
import { openHomelab } from '../../../gitops/secrets/homelab.ts';
import { setSecret } from '../../../gitops/secrets/set.ts';
import { ageKey } from '../../support/age.ts';
import { testHost } from '../../support/host.ts';
import { processesNaming, until } from '../../support/processes.ts';

// Three clusters of one repository, in one command: each comes up and is reconciled by its own Flux, and none of them ever holds a
// secret of another. Small ones, two of them without a NAS, since all three run at once.

const OWNER = { GIT_AUTHOR_NAME: 'owner', GIT_AUTHOR_EMAIL: 'o@localhost', GIT_COMMITTER_NAME: 'owner', GIT_COMMITTER_EMAIL: 'o@localhost' };
const NAMES = ['dev', 'prod', 'stage'] as const;
const cli = fileURLToPath(new URL('../../../scripts/cli.ts', import.meta.url));
const template = fileURLToPath(new URL('../../../examples/homelab', import.meta.url));

test('rehearse --every: three clusters from one repository, each reconciled, none seeing another’s secrets', async () => {
  const home = mkdtempSync(join(tmpdir(), 'firstlight-several-'));
  const [root, temporary, runtime] = [join(home, 'homelab'), join(home, 'tmp'), join(home, 'run')];
  for (const folder of [temporary, runtime]) mkdirSync(folder, { mode: 0o700 });
  const owner = testHost(OWNER);
  const key = await ageKey(owner, 'laptop');
  owner.environment['SOPS_AGE_KEY_FILE'] = key.file;
  for (const [index, name] of NAMES.entries()) {
    await runInit(owner, await planInit(owner, { root, template, name, prefix: `192.168.${91 + index}`, url: 'ssh://git@192.168.90.6:22/homelab.git', owner: key.recipient }));
  }
  const homelab = await openHomelab(owner, root);
  for (const name of NAMES) {
    await setSecret(owner, homelab, { path: `apps/${name}/token.sops.yaml`, key: 'token', value: `canary-of-${name}`, namespace: 'podinfo' });
    smaller(root, name);
  }
  const child = spawn(process.execPath, [cli, 'rehearse', '--every', '--at-once', '3', '--keep', '--plain', '--loopback'], {
    cwd: root, env: { ...process.env, SOPS_AGE_KEY_FILE: key.file, TMPDIR: temporary, XDG_RUNTIME_DIR: runtime }, stdio: ['ignore', 'pipe', 'pipe'],
  });
  let said = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => { said += chunk.toString(); });
  try {
    await until('all three are held open', 420_000, () => {
      assert.equal(child.exitCode, null, said);
      return said.includes('Held open.');
    });
    assert.match(said, /^3 clusters are up, each in a world of its own\.$/m);
    const kubeconfigs = new Map(NAMES.map((name) => [name, new RegExp(`^${name}:\\n[^]*?export KUBECONFIG=(\\S+)`, 'm').exec(said)?.[1] ?? '']));
    assert.equal(new Set(kubeconfigs.values()).size, 3, said);
    for (const [name, kubeconfig] of kubeconfigs) {
      const ask = async (...args: string[]): Promise<{ items: { metadata: { name: string }; data?: Record<string, string>; status?: { conditions?: { type: string; status: string }[] } }[] }> =>
        JSON.parse((await owner.run({ program: 'kubectl', args: ['--kubeconfig', kubeconfig, 'get', ...args, '-o', 'json'] })).stdout) as never;
      const [secrets, kustomizations, nodes] = [await ask('secrets', '-A'), await ask('kustomizations.kustomize.toolkit.fluxcd.io', '-A'), await ask('nodes')];
      const ready = kustomizations.items.map(({ metadata, status }) => [metadata.name, status?.conditions?.find(({ type }) => type === 'Ready')?.status]);
      assert.deepEqual(ready.toSorted(), ['apps', 'flux-system', 'infra-configs', 'infra-controllers', 'monitoring', 'volumes'].map((each) => [each, 'True']), name);
      assert.deepEqual(nodes.items.map(({ metadata }) => metadata.name), [`${name}-cp-1`, `${name}-w-1`]);
      const values = secrets.items.flatMap(({ data }) => Object.values(data ?? {}).map((value) => Buffer.from(value, 'base64').toString()));
      assert.deepEqual(NAMES.filter((each) => values.some((value) => value.includes(`canary-of-${each}`))), [name]);
      assert.equal(secrets.items.some(({ metadata }) => metadata.name === 'client-info-secret'), name === 'prod');
      assert.deepEqual((await ask('helmreleases.helm.toolkit.fluxcd.io', '-A')).items.map(({ metadata }) => metadata.name), name === 'prod' ? ['synology-csi'] : []);
    }
    for (const name of NAMES) assert.ok(!said.includes(`canary-of-${name}`));
    child.kill('SIGINT');
    const [code] = await once(child, 'exit') as [number];
    assert.equal(code, 0);
    await until('nothing of the rehearsals is left', 20_000, () => processesNaming(home).length === 0 && readdirSync(temporary).length === 0 && readdirSync(runtime).length === 0);
  } finally {
    child.kill('SIGKILL');
    owner.remove();
    rmSync(home, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
  }
});

/** One control plane, one worker; but for prod, no NAS, and so nothing that is stored on it. */
function smaller(root: string, name: string): void {
  change(root, `machines/${name}/cluster.yaml`, (text) => {
    const document = parseDocument(text);
    (document.get('nodes') as YAMLSeq<YAMLMap>).items.splice(2);
    if (name !== 'prod') document.delete('nas');
    return document.toString();
  });
  if (name === 'prod') return;
  change(root, `apps/${name}/kustomization.yaml`, (text) => text.replace('  - ../base/gitea\n', ''));
}

function change(root: string, path: string, how: (text: string) => string): void {
  const text = readFileSync(join(root, path), 'utf8');
  const changed = how(text);
  assert.notEqual(changed, text, path);
  writeFileSync(join(root, path), changed);
}
