import { readlinkSync } from 'node:fs';
import { FirstlightError, isAbort } from '../lib/errors.ts';
import type { Host } from '../lib/host.ts';
import type { Session } from './session.ts';

/** The network namespace that was left for one of the process's own; or why there is none of its own (`''`: nobody asked for one). */
export type Whereabouts = { readonly left: string } | { readonly why: string };

/** Where a process that entered a namespace says which network namespace it came from (`net:[4026531840]`). */
const CAME_FROM = 'FIRSTLIGHT_NAMESPACE_LEFT';

/** A user namespace (so that no root is needed) with a network and mounts of its own; processes stay those of the machine, whose locks name them. */
const UNSHARE = ['unshare', '--user', '--map-root-user', '--net', '--mount'];

/** What the rehearsal will do inside: bring loopback up, own a foreign network, lay a file over another. */
const TRIAL = 'ip link set lo up && ip route add local 192.0.2.0/24 dev lo src 127.0.0.1 && ip -json link show up >/dev/null && mount --bind /etc/hosts /etc/hosts';

/** The network namespace of this process, as the kernel names it; undefined where there is no such thing. */
export function networkNamespace(): string | undefined {
  try {
    return readlinkSync('/proc/self/ns/net');
  } catch {
    return undefined;
  }
}

/** Tries, in a namespace that goes at once, all that a rehearsal needs there. Gives why it can't be had; undefined when it can. Throws `E_ABORTED`. */
export async function whyNoNamespace(host: Host): Promise<string | undefined> {
  if (networkNamespace() === undefined) return 'this system has no network namespaces';
  if (typeof process.execve !== 'function') return 'this Node cannot become another program';
  try {
    const [program = '', ...flags] = UNSHARE;
    const { exitCode, stderr } = await host.run({ program, args: [...flags, '/bin/sh', '-c', TRIAL], accept: 'any', timeoutMs: 10_000 });
    return exitCode === 0 ? undefined : stderr.trim().split('\n').at(-1) || `unshare ended with ${exitCode}`;
  } catch (error) {
    if (isAbort(error) || !(error instanceof FirstlightError) || error.code === 'E_ABORTED') throw error;
    return error.message;
  }
}

/**
 * Begins the command anew in a network namespace of its own, where the system allows one: it gets here a second time, in the same
 * process. With `stay` it goes on where it is. Throws `E_ABORTED`.
 */
export async function moveIn(session: Session, stay: boolean): Promise<Whereabouts> {
  const left = session.environment[CAME_FROM];
  if (left !== undefined) {
    // Told once: children don't inherit it.
    delete session.environment[CAME_FROM];
    delete process.env[CAME_FROM];
    return { left };
  }
  const why = stay ? '' : await whyNoNamespace(session.host);
  if (why !== undefined) return { why };
  await session.close();
  return enterNamespace();
}

/** Becomes the same command in new namespaces: the process, its terminal and whoever waits for it stay. */
function enterNamespace(): never {
  const env = { ...process.env, [CAME_FROM]: networkNamespace() } as Record<string, string>;
  return process.execve!('/usr/bin/env', ['env', ...UNSHARE, process.execPath, ...process.execArgv, ...process.argv.slice(1)], env);
}
