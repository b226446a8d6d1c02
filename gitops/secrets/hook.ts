import { chmod, realpath } from 'node:fs/promises';
import { dirname, relative, resolve } from 'node:path';
import { problem } from '../../lib/errors.ts';
import { readIfThere, writeWhole } from '../../lib/files.ts';
import type { Host } from '../../lib/host.ts';
import { ownGit } from './own-git.ts';

const MARK = '# firstlight: no secret in the clear';

/**
 * Makes git ask `firstlight secrets check --staged` before each commit (the one on PATH, else `launcher`), in whichever folder of the
 * repository the homelab lies; gives the hook's path. Throws `E_SECRETS_HOOK` where another hook is, or where core.hooksPath leads
 * to a folder that other repositories share.
 */
export async function installHook(host: Host, root: string, launcher: string): Promise<string> {
  const [hook = '', top = '', common = ''] = (await ownGit(host, root, ['rev-parse', '--path-format=absolute', '--git-path', 'hooks/pre-commit', '--show-toplevel', '--git-common-dir'])).stdout.split('\n');
  const path = resolve(root, hook);
  const line = `(cd ${quoted(relative(top, await realpath(root)) || '.')} && firstlight --plain secrets check --staged) || exit 1`;
  const there = await readIfThere(path);
  if (there?.includes(MARK)) return path;
  if (there !== undefined) throw problem('E_SECRETS_HOOK', `${path} is a hook already`, `Add this line to it: ${line}`, { where: { file: path } });
  const folder = await realpath(dirname(path)).catch(() => dirname(path));
  if ([top, common].every((own) => /^\.\.(\/|$)/.test(relative(own, folder)))) {
    throw problem('E_SECRETS_HOOK', `core.hooksPath leads to ${folder}, which is not this repository’s own`, `Give this repository a folder of its own (git config --local core.hooksPath .githooks), or make ${path} yourself with this line: ${line}`, { where: { file: path } });
  }
  // git may name another index than the usual one (`git commit -a`), from where it stands: it has to be found from the homelab too.
  await writeWhole(path, `#!/bin/sh
${MARK}
case "\${GIT_INDEX_FILE:-/}" in /*) ;; *) GIT_INDEX_FILE="$PWD/$GIT_INDEX_FILE"; export GIT_INDEX_FILE ;; esac
cd ${quoted(`./${relative(top, await realpath(root))}`)} 2>/dev/null && [ -d machines ] || exit 0
exec "$(command -v firstlight || echo ${quoted(launcher)})" --plain secrets check --staged
`, 0o755);
  await chmod(path, 0o755);
  return path;
}

function quoted(path: string): string {
  return `'${path.replaceAll("'", `'\\''`)}'`;
}
