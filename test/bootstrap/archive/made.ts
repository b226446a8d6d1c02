import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { packArchive, type Contents } from '../../../bootstrap/archive/pack.ts';
import { makeSigningKey, signerOf } from '../../../bootstrap/archive/signing.ts';
import { ENTRY } from '../../../bootstrap/archive/types.ts';
import type { Cluster } from '../../../nodes/cluster.ts';
import { bundleOf } from '../../../talos/secrets.ts';
import { snapshotStatus } from '../../../talos/snapshot.ts';
import { ageKey } from '../../support/age.ts';
import type { TestHost } from '../../support/host.ts';
import { exampleCluster } from '../../talos/example.ts';
import { makeSnapshot, sealed } from '../../talos/snapshot-made.ts';

/** A secret of the cluster that the archive holds and nothing else may show. */
export const CANARY = 'canary-in-the-cluster-41c7';

/** A small cluster's archive with a real snapshot, a real bundle and a real git bundle, and all that it was made of. */
export type MadeArchive = { readonly file: string; readonly cluster: Cluster; readonly contents: Contents; readonly signer: string; readonly identities: readonly [string, string]; readonly bundleText: string };

/** Makes one in a folder; `after` gives it another's recipients and keys, so that only what it holds differs. */
export async function makeArchive(host: TestHost, folder: string, name = 'gandalf', after?: MadeArchive): Promise<MadeArchive> {
  mkdirSync(folder, { recursive: true });
  const secrets = join(folder, 'secrets.yaml');
  if (after) writeFileSync(secrets, after.bundleText);
  else await host.run({ program: 'talosctl', args: ['gen', 'secrets', '-o', secrets] });
  const bundleText = readFileSync(secrets, 'utf8');
  const bundle = bundleOf(host, bundleText, secrets);
  const key = Buffer.from((parse(bundleText) as { secrets: { secretboxencryptionsecret: string } }).secrets.secretboxencryptionsecret, 'base64');
  const { snapshot } = await makeSnapshot(host, folder, {
    '/registry/namespaces/kube-system': 'k8s\0 kube-system 6b8dc433-3c53-4a5a-97c9-e5834e3a48f9',
    '/registry/configmaps/kube-system/kube-root-ca.crt': `k8s\0 ${bundle.kubernetesCa}`,
    '/registry/minions/cp-1': 'k8s\0node', '/registry/secrets/apps/one': sealed(CANARY, key), '/registry/secrets/apps/two': sealed(`${CANARY} too ${folder}`, key),
  });
  const repository = join(folder, 'git');
  const git = (...args: string[]): string => execFileSync('git', ['-c', 'user.name=t', '-c', 'user.email=t@t', '-C', repository, ...args], { encoding: 'utf8' }).trim();
  mkdirSync(repository);
  git('init', '-q', '-b', 'main');
  git('commit', '-q', '--allow-empty', '-m', `first of ${folder}`);
  git('bundle', 'create', '-q', join(folder, 'repository.bundle'), 'HEAD', 'main');
  const pairs = [await ageKey(host, 'one'), await ageKey(host, 'two')] as const;
  const recipients = after ? after.contents.about.recipients : [{ name: 'gandalf', role: 'cluster' as const, key: pairs[0].recipient }, { name: 'laptop', role: 'owner' as const, key: pairs[1].recipient }];
  const status = await snapshotStatus(host, snapshot, 'snapshot');
  const contents: Contents = {
    key: after?.contents.key ?? makeSigningKey(),
    about: {
      cluster: name, clusterId: bundle.clusterId, at: '2026-11-23T07:25:00.000Z', recipients, versions: { talos: '1.11.0' }, missing: [],
      etcd: { node: 'cp-1', revision: status.revision, hash: status.hash, keys: status.keys, objects: [], bundle: 'decrypt', nodes: ['cp-1'] },
      git: { url: 'ssh://git@git.example.com/homelab.git', branch: 'main', revision: git('rev-parse', 'HEAD') },
    },
    parts: [
      { name: ENTRY.snapshot, file: snapshot }, { name: ENTRY.bundle, text: bundleText }, { name: ENTRY.repository, file: join(folder, 'repository.bundle') },
      { name: `${ENTRY.machines}cp-1.yaml`, text: `machine: {type: controlplane} # ${folder}\n` }, { name: `${ENTRY.machines}worker-1.yaml`, text: `machine: {type: worker} # ${folder}\n` },
      { name: `${ENTRY.cluster}cluster.yaml`, text: `name: ${name}\n` },
    ],
  };
  const file = join(folder, `${name}.firstlight`);
  await packArchive(host, file, contents);
  return { file, contents, bundleText, signer: signerOf(contents.key), cluster: exampleCluster(folder, { name, secrets: { recipients } }), identities: after?.identities ?? [pairs[0].identity, pairs[1].identity] };
}
