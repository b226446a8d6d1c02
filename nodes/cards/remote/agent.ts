import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ClientChannel } from 'ssh2';
import { FirstlightError, problem } from '../../../lib/errors.ts';
import type { Ssh } from '../../../lib/ssh.ts';
import { answerReader, requestHeader, type Answer, type Request } from './frames.ts';
import { brokenOff, notStarted, refusedSystem } from './reader-errors.ts';

/** What the agent says of itself when it begins. */
type Greeting = { readonly system: string; readonly uid: number; readonly python: readonly [number, number] };

/** The agent on the reader's machine, under way. */
export type Agent = {
  /** User id it runs as there; 0 is root. */
  readonly uid: number;
  /**
   * Asks for one thing; any number may be under way at once. The payload's memory is the agent's until the answer.
   * Rejects with the far system's error (`code` is its errno name), `E_READER_LOST` where the connection or the agent ended.
   */
  ask(request: Request): Promise<Answer>;
  /** Asks a question and gives its JSON answer. Rejects as `ask`. */
  question<T>(question: { readonly what: string } & Readonly<Record<string, unknown>>): Promise<T>;
  /** Ends it; what is under way there ends with it. */
  close(): void;
};

/** How to start the agent. `silenceMs`: after this long without any word from here it takes us for gone. */
export type AgentOptions = { readonly name: string; readonly asRoot: boolean; readonly silenceMs: number; readonly signal: AbortSignal };

/** How long its start may take: a Raspberry Pi needs a second for Python. */
const START_MS = 20_000;

let program: Promise<Buffer> | undefined;

/**
 * Starts our agent program on the other machine: python3 reads it from its standard input, nothing is stored there and its
 * command line says nothing. As the user who logged in, or by `sudo -n`.
 * Throws `E_READER_PYTHON`, `E_READER_ROOT`, `E_READER_SYSTEM`, `E_READER_START`, `E_READER_LOST`, `E_SSH_CLOSED`.
 */
export async function startAgent(ssh: Pick<Ssh, 'open'>, options: AgentOptions): Promise<Agent> {
  const text = await (program ??= readFile(join(import.meta.dirname, 'agent.py')));
  // Isolated (-I, -S): nothing of that user's own Python gets in. One line without a shell's own signs, for any login shell.
  const command = `${options.asRoot ? 'sudo -n ' : ''}python3 -IS -c "import sys;exec(sys.stdin.buffer.read(${text.length}))" ${options.silenceMs / 1000}`;
  const channel = await ssh.open(command);
  const waiting = new Map<number, { resolve(answer: Answer): void; reject(error: Error): void }>();
  let ended: Error | undefined;
  let told = '';
  let exitCode: number | undefined;
  let next = 1;
  const end = (error: Error): void => {
    ended ??= options.signal.aborted ? aborted(options.signal) : error;
    clearInterval(pings);
    for (const { reject } of waiting.values()) reject(ended);
    waiting.clear();
  };
  const send = (request: Request, id: number): void => {
    channel.write(requestHeader(id, request));
    if (request.payload) channel.write(request.payload);
  };
  const ask = (request: Request): Promise<Answer> => new Promise((resolve, reject) => {
    if (ended) return reject(ended);
    const id = next;
    next = next === 0xffff_ffff ? 1 : next + 1;
    waiting.set(id, { resolve, reject });
    send(request, id);
  });
  const pings = setInterval(() => { if (!ended) send({ operation: 'ping' }, 0); }, Math.ceil(options.silenceMs / 4));
  const close = (): void => {
    end(brokenOff(options.name));
    channel.destroy();
  };
  const read = answerReader((answer) => {
    const asked = waiting.get(answer.id);
    waiting.delete(answer.id);
    if (answer.failed) asked?.reject(systemError(answer.payload.toString('latin1'), options.name));
    else asked?.resolve(answer);
  });
  const greeting = new Promise<Answer>((resolve, reject) => { waiting.set(0, { resolve, reject }); });
  channel.stderr.on('data', (piece: Buffer) => { told = `${told}${piece.toString('utf8')}`.slice(0, 4_096); });
  channel.on('error', () => {}).on('exit', (code: number | null) => { exitCode = code ?? undefined; });
  channel.on('data', (piece: Buffer) => { if (!ended && !read(piece)) { end(brokenOff(options.name)); channel.destroy(); } });
  channel.on('close', () => end(waiting.has(0) ? notStarted(options, { told, exitCode }) : brokenOff(options.name)));
  channel.write(text);
  const hello = JSON.parse((await within(greeting, close, options.name)).payload.toString('utf8')) as Greeting;
  const wrong = refusedSystem(options.name, hello);
  if (wrong) {
    close();
    throw wrong;
  }
  return { uid: hello.uid, ask, close, question: async (question) => json(await ask({ operation: 'question', payload: Buffer.from(JSON.stringify(question)) })) };
}

function json<T>(answer: Answer): T {
  return JSON.parse(answer.payload.toString('utf8')) as T;
}

async function within(greeting: Promise<Answer>, close: () => void, name: string): Promise<Answer> {
  let late = false;
  const timer = setTimeout(() => { late = true; close(); }, START_MS);
  try {
    return await greeting;
  } catch (error) {
    if (!late) throw error;
    throw problem('E_READER_START', `python3 on ${name} did not begin within ${START_MS / 1000} s`, 'Look whether that machine is busy or hangs.');
  } finally {
    clearTimeout(timer);
  }
}

/** What a system call failed with there, in the shape of Node's own errors. */
function systemError(code: string, name: string): Error {
  return Object.assign(new Error(`${code} on ${name}`), { code });
}

function aborted(signal: AbortSignal): Error {
  return signal.reason instanceof Error ? signal.reason : new FirstlightError('E_ABORTED', 'stopped', 'Run the same command again to go on.');
}
