import { existsSync, realpathSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';

/** The two services that git speaks over SSH. */
export type GitService = 'upload-pack' | 'receive-pack';

/** What an SSH client asked for: a service on a repository that exists, or why it gets none. */
export type GitRequest =
  | { readonly kind: 'service'; readonly service: GitService; readonly repository: string; readonly path: string }
  | { readonly kind: 'refused'; readonly message: string };

const COMMAND = /^git[- ](upload-pack|receive-pack) '?([^'\s]+)'?$/;
const NAME = /^[A-Za-z0-9_-][A-Za-z0-9._-]*(\/[A-Za-z0-9_-][A-Za-z0-9._-]*)*$/;

/**
 * Reads an exec request (`git-upload-pack '/homelab.git'`). Only bare repositories inside `root` are served: a name with
 * `..`, a hidden folder, or a link that leads out of it is answered as a repository that is not there.
 */
export function readGitCommand(command: string, root: string): GitRequest {
  const match = COMMAND.exec(command.trim());
  if (!match) return { kind: 'refused', message: 'this server only serves git-upload-pack and git-receive-pack' };
  const [, service, asked = ''] = match;
  const name = asked.replace(/^\/+/, '');
  const missing: GitRequest = { kind: 'refused', message: 'ERROR: Repository not found.' };
  if (!NAME.test(name)) return missing;
  const path = [name, `${name}.git`].map((each) => resolve(root, each)).find((each) => existsSync(join(each, 'HEAD')));
  if (path === undefined || relative(realpathSync(root), realpathSync(path)).startsWith('..')) return missing;
  return { kind: 'service', service: service as GitService, repository: relative(root, path), path };
}
