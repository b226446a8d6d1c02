import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { generateX25519Identity, identityToRecipient } from 'age-encryption';
import { newSshKey } from '../../lib/ssh-key.ts';
import { startGitHost, type LabGitHost } from '../../lab/git/host.ts';
import type { Cluster } from '../../nodes/cluster.ts';
import type { Credentials } from '../../nodes/credentials.ts';
import type { Command } from '../../lib/host.ts';
import { testHost, type TestHost } from '../support/host.ts';

/** A git host with the example homelab in it, a cluster that points there, and every command that was run. */
export type GitWorld = {
  readonly host: TestHost;
  readonly cluster: Cluster;
  readonly credentials: Required<Pick<Credentials, 'clusterIdentity' | 'nasPassword' | 'gitKey'>> & Credentials;
  readonly git: LabGitHost;
  /** The bare repository. */
  readonly bare: string;
  readonly commands: Command[];
  close(): Promise<void>;
};

export const EXAMPLE = fileURLToPath(new URL('../../examples/homelab', import.meta.url));

const AUTHOR = { GIT_AUTHOR_NAME: 'owner', GIT_AUTHOR_EMAIL: 'o@localhost', GIT_COMMITTER_NAME: 'owner', GIT_COMMITTER_EMAIL: 'o@localhost' };

/** Starts it on `address`, port 2222. */
export async function startGitWorld(address: string): Promise<GitWorld> {
  const plain = testHost();
  const commands: Command[] = [];
  const host: TestHost = { ...plain, run: (command) => { commands.push(command); return plain.run(command); } };
  const [client, server] = [newSshKey(), newSshKey()];
  const repositories = join(host.scratch, 'repositories');
  const bare = join(repositories, 'homelab.git');
  const worktree = join(host.scratch, 'owner');
  cpSync(EXAMPLE, worktree, { recursive: true });
  // There is no NAS in this world, so the application on its LUN is left out.
  const apps = join(worktree, 'apps/gandalf/kustomization.yaml');
  writeFileSync(apps, readFileSync(apps, 'utf8').replace('  - ../base/gitea\n', ''));
  mkdirSync(bare, { recursive: true });
  const run = (args: string[], cwd: string) => plain.run({ program: 'git', args, cwd, env: AUTHOR });
  await run(['init', '--quiet', '--bare', '--initial-branch=main', '.'], bare);
  await run(['init', '--quiet', '--initial-branch=main', '.'], worktree);
  await run(['add', '--all'], worktree);
  await run(['commit', '--quiet', '--message', 'homelab'], worktree);
  await run(['push', '--quiet', bare, 'main'], worktree);
  const git = await startGitHost({ address, port: 2222, user: 'git', repositories, authorizedKeys: [client.public], hostKey: server.private });
  const identities = await Promise.all([generateX25519Identity(), generateX25519Identity()]);
  const recipients = await Promise.all(identities.map(identityToRecipient));
  const cluster: Cluster = {
    folder: join(worktree, 'machines/gandalf'), repository: worktree, name: 'gandalf', environment: 'prod',
    talos: { version: '1.11.0', factory: 'http://127.0.0.1', schematic: { overlay: { image: 'i', name: 'n' }, extensions: [], kernelArgs: [] } },
    kubernetes: { version: '1.34.4' },
    network: { subnet: '127.1.0.0/24', gateway: '127.1.0.1', dns: [], ntp: [], endpoint: 'https://127.1.0.11:6443', maintenance: 'dhcp' },
    nodes: [],
    nas: { address: '192.168.77.5', https: true, port: 5001, user: 'csi', iscsiPort: 3260, volume: '/volume1', luns: [] },
    gitops: { url: `ssh://git@${address}:2222/homelab.git`, branch: 'main', path: 'clusters/gandalf', hostKey: git.hostKey },
    backup: { places: [], keep: { last: 7, daily: 7, weekly: 4, monthly: 6 } },
    secrets: { recipients: [
      { name: 'gandalf', role: 'cluster', key: recipients[0]! },
      { name: 'laptop', role: 'owner', key: recipients[1]! },
    ] },
  };
  const credentials = { clusterIdentity: identities[0]!, nasPassword: 'canary-nas-password-7f3a', gitKey: client.private, chap: {} };
  return { host, cluster, credentials, git, bare, commands, close: async () => { await git.close(); plain.remove(); } };
}

/** Every text that left the process other than by standard input, environment or file: arguments, events. */
export function spoken(world: GitWorld): string {
  return JSON.stringify([world.commands.map((command) => [command.program, ...command.args]), world.host.events]);
}

/** The lines of the secrets that must be in none of it. */
export function canaries(world: GitWorld): string[] {
  const { clusterIdentity, nasPassword, gitKey } = world.credentials;
  return [clusterIdentity, nasPassword, Buffer.from(nasPassword).toString('base64'), ...gitKey.split('\n').slice(1, -2)].filter((line) => line.length > 8);
}
