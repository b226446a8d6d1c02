import { access, constants } from 'node:fs/promises';
import { totalmem } from 'node:os';
import { join } from 'node:path';
import { problem } from '../lib/errors.ts';
import { ensureTools } from '../lib/tools/ensure.ts';
import type { Cluster } from '../nodes/cluster.ts';
import { unlockIdentity } from './identity.ts';
import { HOME } from './open-cluster.ts';
import type { Session } from './session.ts';

/**
 * Sees to it that the named tools of tools.lock.yaml (all unless told) can be run by this session, under their bare names. Where
 * sops is named, something is to be decrypted: then the person's age identity is unlocked, too. Throws what `unlockIdentity` throws.
 */
export async function provideTools(session: Session, only?: readonly string[]): Promise<Map<string, string>> {
  const found = await ensureTools(session.host, {
    lockFile: join(HOME, 'tools.lock.yaml'),
    modules: join(HOME, 'tools'),
    path: session.environment['PATH'] ?? '',
    goEnvironment: session.environment,
    memoryBytes: totalmem(),
    platform: { os: process.platform, arch: process.arch },
    ...(only === undefined ? {} : { only }),
  });
  for (const [name, path] of found) session.programs.set(name, path);
  if (only?.includes('sops')) await unlockIdentity(session);
  return found;
}

/** Debian's package of each program of the system that firstlight calls. */
const PACKAGES: Readonly<Record<string, string>> = { git: 'git', ssh: 'openssh-client' };

/** Sees to it, before anything is begun, that git and ssh are there where a cluster has a GitOps repository. Throws `E_NO_PROGRAM` naming those that are not. */
export async function requireSystemPrograms(session: Session, cluster: Cluster): Promise<void> {
  if (!cluster.gitops) return;
  const folders = (session.environment['PATH'] ?? '').split(':').filter(Boolean);
  const missing: string[] = [];
  for (const name of Object.keys(PACKAGES)) {
    const found = await Promise.all(folders.map((folder) => access(join(folder, name), constants.X_OK).then(() => true, () => false)));
    if (!found.includes(true)) missing.push(name);
  }
  if (missing.length === 0) return;
  const packages = missing.map((name) => PACKAGES[name]).join(' ');
  throw problem('E_NO_PROGRAM', `${missing.join(' and ')} ${missing.length > 1 ? 'are' : 'is'} not on PATH; the GitOps repository is reached with ${missing.length > 1 ? 'them' : 'it'}`, `Install: \`apt install ${packages}\` (or your system’s packages of these names).`);
}
