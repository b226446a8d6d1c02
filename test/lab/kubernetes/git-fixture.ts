import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { newSshKey } from '../../../lib/ssh-key.ts';
import { startGitHost, type LabGitHost } from '../../../lab/git/host.ts';

/** A repository behind the lab's git host, with a work tree to commit from. */
export type GitFixture = {
  readonly host: LabGitHost;
  readonly url: string;
  /** The private key that may read. */
  readonly identity: string;
  readonly knownHosts: string;
  /** Writes the files (undefined removes one), commits and gives the commit's id. */
  commit(files: Readonly<Record<string, string | undefined>>): string;
};

const ENV = {
  PATH: process.env['PATH'] ?? '/usr/bin:/bin', HOME: '/nonexistent', GIT_CONFIG_NOSYSTEM: '1', GIT_CONFIG_GLOBAL: '/dev/null',
  GIT_AUTHOR_NAME: 'test', GIT_AUTHOR_EMAIL: 'test@example.test', GIT_COMMITTER_NAME: 'test', GIT_COMMITTER_EMAIL: 'test@example.test',
};

/** Starts a git host on the address and makes an empty repository `homelab.git` with branch main. */
export async function gitFixture(folder: string, address: string): Promise<GitFixture> {
  const [client, server] = [newSshKey(), newSshKey()];
  const bare = join(folder, 'git', 'homelab.git');
  const tree = join(folder, 'tree');
  const git = (...args: string[]): string => execFileSync('git', args, { env: ENV, cwd: tree, encoding: 'utf8' });
  mkdirSync(tree, { recursive: true });
  git('init', '--quiet', '--bare', '--initial-branch=main', bare);
  git('init', '--quiet', '--initial-branch=main', tree);
  const host = await startGitHost({ address, port: 0, user: 'git', repositories: join(folder, 'git'), authorizedKeys: [client.public], hostKey: server.private });
  const commit: GitFixture['commit'] = (files) => {
    for (const [path, text] of Object.entries(files)) {
      if (text === undefined) {
        git('rm', '--quiet', path);
        continue;
      }
      mkdirSync(dirname(join(tree, path)), { recursive: true });
      writeFileSync(join(tree, path), text);
    }
    git('add', '--all');
    git('commit', '--quiet', '--message=change');
    git('push', '--quiet', bare, 'main');
    return git('rev-parse', 'HEAD').trim();
  };
  return { host, url: `ssh://git@${address}:${host.port}/homelab.git`, identity: client.private, knownHosts: `[${address}]:${host.port} ${host.hostKey}\n`, commit };
}
