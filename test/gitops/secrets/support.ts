import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { openHomelab, type Homelab } from '../../../gitops/secrets/homelab.ts';
import { ageKey } from '../../support/age.ts';
import { testHost, type TestHost } from '../../support/host.ts';

/** A person's repository with one or more clusters, his age identity at hand, and everybody's keys. */
export type Desk = {
  readonly host: TestHost;
  readonly root: string;
  readonly keys: Readonly<Record<string, { readonly identity: string; readonly recipient: string }>>;
  open(): Promise<Homelab>;
  write(path: string, text: string): void;
  git(...args: string[]): string;
};

const OWNER = { GIT_AUTHOR_NAME: 'owner', GIT_AUTHOR_EMAIL: 'o@localhost', GIT_COMMITTER_NAME: 'owner', GIT_COMMITTER_EMAIL: 'o@localhost' };

/** Makes it, with every cluster sharing owner and offline key and having one of its own. */
export async function desk(clusters: readonly string[] = ['gandalf'], gitops?: { readonly url: string; readonly hostKey: string }): Promise<Desk> {
  const environment: Record<string, string> = { ...OWNER };
  const host = testHost(environment);
  const root = join(host.scratch, 'homelab');
  mkdirSync(root);
  const keys: Record<string, { identity: string; recipient: string }> = {};
  for (const name of ['laptop', 'paper', ...clusters]) keys[name] = await ageKey(host, name);
  host.environment['SOPS_AGE_KEY_FILE'] = join(host.scratch, 'laptop.age.txt');
  const git = (...args: string[]): string => execFileSync('git', args, { cwd: root, encoding: 'utf8', env: { ...process.env, ...OWNER, GIT_CONFIG_GLOBAL: '/dev/null' } });
  const write = (path: string, text: string): void => {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  };
  git('init', '--quiet', '--initial-branch=main');
  for (const name of clusters) write(`machines/${name}/cluster.yaml`, clusterYaml(name, keys) + (gitops ? `gitops: { url: "${gitops.url}", hostKey: "${gitops.hostKey}" }\n` : ''));
  write('apps/gandalf/kustomization.yaml', 'apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nnamespace: podinfo\nresources:\n  - deployment.yaml # the app\n');
  write('apps/gandalf/deployment.yaml', DEPLOYMENT);
  git('add', '--all');
  git('commit', '--quiet', '--message', 'homelab');
  return { host, root, keys, write, git, open: () => openHomelab(host, root) };
}

const DEPLOYMENT = `apiVersion: apps/v1
kind: Deployment
metadata: { name: podinfo }
spec:
  template:
    spec:
      containers:
        - name: podinfo
          env:
            - name: TOKEN
              valueFrom: { secretKeyRef: { name: token, key: token } }
`;

function clusterYaml(name: string, keys: Readonly<Record<string, { readonly recipient: string }>>): string {
  return `name: ${name}
talos: { version: 1.11.0 }
kubernetes: { version: 1.34.4 }
network: { subnet: 192.168.77.0/24, gateway: 192.168.77.1, endpoint: "https://192.168.77.11:6443" }
nodes:
  - { name: ${name}-cp-1, role: control plane, mac: "dc:a6:32:77:00:11", address: 192.168.77.11 }
secrets:
  recipients:
    - { name: ${name}, role: cluster, key: ${keys[name]?.recipient} } # the cluster's own
    - { name: laptop, role: owner, key: ${keys['laptop']?.recipient} }
    - { name: paper, role: offline, key: ${keys['paper']?.recipient} }
`;
}
