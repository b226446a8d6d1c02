import { mkdirSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { openJournal, type Journal } from '../bootstrap/journal.ts';
import type { Clock, Host, Question, RunEvent } from '../lib/host.ts';
import { createMask } from '../lib/masking.ts';
import { createRunner } from '../lib/process.ts';
import { ask } from './terminal/prompt.ts';
import { jsonView, plainView } from './terminal/plain.ts';
import { tasksView } from './terminal/tasks.ts';
import { memoryFolder, temporaryFolder } from './terminal/temporary.ts';
import type { View } from './terminal/view.ts';

/** The options every command has. */
export type CommonOptions = { readonly json?: boolean; readonly yes?: boolean; readonly plain?: boolean };

/** A command's time in the world: its host, its view, and the way to end both. */
export type Session = {
  readonly host: Host;
  readonly view: View;
  /** Absolute paths by program name; filled by `provideTools`. */
  readonly programs: Map<string, string>;
  /** The whole environment of the programs that are run. */
  readonly environment: Record<string, string>;
  /** Lets somebody else answer questions first (a rehearsal's hands); undefined goes on to the person. */
  answer: (question: Question) => Promise<string | undefined>;
  /** From now on every event is also written to `<folder>/journal.jsonl`. */
  record(folder: string): Journal;
  close(): Promise<void>;
};

const clock: Clock = {
  now: () => Date.now(),
  sleep: async (ms, signal) => { await sleep(ms, undefined, signal ? { signal } : {}); },
};

/** Variables of the person's shell that would change what the programs speak to. */
const UNWANTED = /^(TALOSCONFIG|KUBECONFIG|GIT_.*|FLUX_.*|ETCDCTL_.*|NODE_OPTIONS)$/;

/** Opens a session: signals, scratch folder, mask, view by `--json`, `--plain` and whether standard error is a terminal. */
export function openSession(options: CommonOptions): Session {
  const abort = new AbortController();
  const onSignal = (): void => abort.abort();
  process.on('SIGINT', onSignal).on('SIGTERM', onSignal).on('SIGHUP', onSignal);
  const mask = createMask();
  const scratch = temporaryFolder('private', memoryFolder());
  const cache = join(process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'firstlight');
  mkdirSync(cache, { recursive: true });
  const environment: Record<string, string> = {};
  for (const [name, value] of Object.entries(process.env)) if (value !== undefined && !UNWANTED.test(name)) environment[name] = value;
  const programs = new Map<string, string>();
  const view = chooseView(options, mask.hide);
  let journal: Journal | undefined;
  const emit = (event: RunEvent): void => {
    const clean = event.message === undefined ? event : { ...event, message: mask.hide(event.message) };
    journal?.record(clean);
    view.handle(clean);
  };
  const session: Session = {
    view, programs, environment,
    answer: async () => undefined,
    host: {
      ...(environment['SSH_AUTH_SOCK'] ? { sshAgent: environment['SSH_AUTH_SOCK'] } : {}),
      emit, fetch: globalThis.fetch, clock, signal: abort.signal, mask, scratch: scratch.path, cache,
      run: createRunner({ programs, environment, signal: abort.signal, mask }),
      ask: async (question) => await session.answer(question) ?? await view.aside(() => ask(question, options.yes === true, abort.signal)),
    },
    record(folder) {
      journal = openJournal(folder, clock, mask);
      return journal;
    },
    async close() {
      await view.end();
      journal?.close();
      await scratch.remove();
      process.off('SIGINT', onSignal).off('SIGTERM', onSignal).off('SIGHUP', onSignal);
    },
  };
  return session;
}

function chooseView(options: CommonOptions, hide: (text: string) => string): View {
  const now = (): number => Date.now();
  if (options.json) return jsonView((text) => void process.stdout.write(hide(text)), now);
  if (options.plain || !process.stderr.isTTY) return plainView((text) => void process.stderr.write(hide(text)), now);
  return tasksView();
}
