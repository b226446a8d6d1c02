import { totalmem } from 'node:os';
import { join } from 'node:path';
import { ensureTools } from '../lib/tools/ensure.ts';
import { HOME } from './open-cluster.ts';
import type { Session } from './session.ts';

/** Sees to it that the named tools of tools.lock.yaml (all unless told) can be run by this session, under their bare names. */
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
  return found;
}
