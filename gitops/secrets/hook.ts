import { chmod } from 'node:fs/promises';
import { resolve } from 'node:path';
import { problem } from '../../lib/errors.ts';
import { readIfThere, writeWhole } from '../../lib/files.ts';
import type { Host } from '../../lib/host.ts';
import { ownGit } from './own-git.ts';

const MARK = '# firstlight: no secret in the clear';

/** Makes git ask `firstlight secrets check --staged` before each commit (the one on PATH, else `launcher`); gives the hook's path. Throws `E_SECRETS_HOOK` where another hook is. */
export async function installHook(host: Host, root: string, launcher: string): Promise<string> {
  const path = resolve(root, (await ownGit(host, root, ['rev-parse', '--git-path', 'hooks/pre-commit'])).stdout.trim());
  const there = await readIfThere(path);
  if (there?.includes(MARK)) return path;
  if (there !== undefined) {
    throw problem('E_SECRETS_HOOK', `${path} is a hook already`, 'Add this line to it: firstlight secrets check --staged || exit 1', { where: { file: path } });
  }
  await writeWhole(path, `#!/bin/sh\n${MARK}\nexec "$(command -v firstlight || echo ${quoted(launcher)})" --plain secrets check --staged\n`, 0o755);
  await chmod(path, 0o755);
  return path;
}

function quoted(path: string): string {
  return `'${path.replaceAll("'", `'\\''`)}'`;
}
