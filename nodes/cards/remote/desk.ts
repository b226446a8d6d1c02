import { createHash } from 'node:crypto';
import { problem } from '../../../lib/errors.ts';
import type { Command, CommandResult } from '../../../lib/host.ts';
import type { Ssh } from '../../../lib/ssh.ts';
import { BLOCK, isZero, ZEROS } from '../buffers.ts';
import type { Desk, DeskFile, Found, Opening } from '../desk.ts';
import { startAgent, type Agent, type AgentOptions } from './agent.ts';

/** The machine at the other end of an SSH connection, as a desk. */
export type RemoteDesk = Desk & { readonly name: string; close(): void };

/** What a far desk is made with: what people call it, when to stop, and how long it hears nothing before it takes us for gone. */
export type RemoteOptions = Omit<AgentOptions, 'asRoot'>;

/**
 * A desk at the other end of an SSH connection. It runs as the user who logged in, and as root by `sudo -n` from the moment
 * that this user may not open a card. Each card that is written has a process of its own there, which ends with it.
 * Throws as `startAgent`.
 */
export async function openRemoteDesk(ssh: Pick<Ssh, 'open'>, options: RemoteOptions): Promise<RemoteDesk> {
  let seat = startAgent(ssh, { ...options, asRoot: false });
  let asRoot = false;
  await seat;
  const agents = new Set<Agent>();
  /** Takes the seat of one that may open everything; the former one's open files stay its own. */
  const becomeRoot = async (): Promise<void> => {
    if (!asRoot) {
      asRoot = true;
      const former = seat;
      seat = startAgent(ssh, { ...options, asRoot: true });
      seat.catch(() => { [seat, asRoot] = [former, false]; });
      agents.add(await former);
    }
    await seat;
  };
  const openAs = async (path: string, how: Opening): Promise<DeskFile> => {
    const own = how.write ? await startAgent(ssh, { ...options, asRoot }) : undefined;
    try {
      const agent = own ?? await seat;
      const { handle } = await agent.question<{ handle: number }>({ what: 'open', path, ...how });
      if (own) agents.add(own);
      return farFile(agent, handle, async () => {
        if (!own) return void await agent.question({ what: 'close', handle });
        agents.delete(own);
        own.close();
      });
    } catch (error) {
      own?.close();
      throw error;
    }
  };
  return {
    name: options.name,
    realpath: async (path) => (await seat).question({ what: 'realpath', path }),
    stat: async (path) => (await seat).question({ what: 'stat', path }),
    fact: async (path) => await (await seat).question<string | null>({ what: 'fact', path }) ?? undefined,
    run: async (command) => runThere(await seat, options.name, command),
    async open(path, how = {}) {
      const { uid } = await seat;
      try {
        return await openAs(path, how);
      } catch (error) {
        if (uid === 0 || !['EACCES', 'EPERM'].includes(String((error as NodeJS.ErrnoException).code))) throw error;
        await becomeRoot();
        return openAs(path, how);
      }
    },
    close() {
      for (const agent of agents) agent.close();
      void seat.then((agent) => agent.close(), () => {});
    },
  };
}

/** An open file there. Blocks of zeros are not sent but told; a digest is made there. */
function farFile(agent: Agent, handle: number, close: () => Promise<void>): DeskFile {
  let open = true;
  return {
    async read(buffer, offset, length, at) {
      const { payload } = await agent.ask({ operation: 'read', handle, at, count: Math.min(length, BLOCK) });
      buffer.set(payload, offset);
      return { bytesRead: payload.length };
    },
    async write(data, offset, length, at) {
      const part = Buffer.from(data.buffer, data.byteOffset + offset, Math.min(length, BLOCK));
      const { value } = await agent.ask(isZero(part) ? { operation: 'zeros', handle, at, count: part.length } : { operation: 'write', handle, at, payload: part });
      return { bytesWritten: value };
    },
    sync: async () => { await agent.ask({ operation: 'sync', handle }); },
    async digest(at, length) {
      const { payload } = await agent.ask({ operation: 'digest', handle, at, count: length });
      if (payload.length === 0) return undefined;
      return payload.equals(digestOfZeros(length)) ? null : payload;
    },
    stat: () => agent.question<Found>({ what: 'fstat', handle }),
    async close() {
      if (!open) return;
      open = false;
      await close();
    },
  };
}

const KNOWN = new Map<number, Buffer>();

function digestOfZeros(length: number): Buffer {
  const known = KNOWN.get(length) ?? createHash('sha256').update(ZEROS.subarray(0, length)).digest();
  KNOWN.set(length, known);
  return known;
}

/** Runs one of the few programs the agent knows (lsblk, blockdev, eject). Throws `E_NO_PROGRAM`, `E_TIMEOUT`, `E_PROGRAM` as a host does. */
async function runThere(agent: Agent, name: string, command: Command): Promise<CommandResult> {
  const { program, args, timeoutMs = 60_000, accept = [0] } = command;
  const done = await agent.question<CommandResult>({ what: 'run', program, args, seconds: timeoutMs / 1000 }).catch((error: unknown) => {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'EACCES') throw problem('E_NO_PROGRAM', `${program} is not on ${name}`, 'Install util-linux there.', { cause: error });
    if (code === 'ETIMEDOUT') throw problem('E_TIMEOUT', `${program} on ${name} gave no answer within ${timeoutMs / 1000} s`, 'Look whether that machine or its reader hangs.');
    throw error;
  });
  if (accept === 'any' || accept.includes(done.exitCode)) return done;
  throw problem('E_PROGRAM', `${program} on ${name} ended with ${done.exitCode}: ${done.stderr.trim().split('\n').at(-1) ?? ''}`, 'Mend what it names there and run again.');
}
