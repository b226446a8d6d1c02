import { mkdtempSync, rmSync, readdirSync, existsSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Host, RunEvent } from '../../lib/host.ts';
import { createMask } from '../../lib/masking.ts';
import { createRunner } from '../../lib/process.ts';

/** A real host for tests: real programs from the tools cache, a scratch folder of its own, events kept. */
export type TestHost = Host & { readonly events: RunEvent[]; readonly abort: AbortController; readonly environment: Record<string, string>; remove(): void };

/** The folder with one link per tool (`talosctl`, `etcd`, …), filled by `firstlight tools`. */
export function toolsFolder(): string {
  return join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'firstlight', 'tools', 'bin');
}

/** Absolute paths of the pinned programs by name. */
export function toolPrograms(): Map<string, string> {
  const folder = toolsFolder();
  return new Map(existsSync(folder) ? readdirSync(folder).map((name) => [name, join(folder, name)]) : []);
}

/** Makes a host; `environment` is added to PATH and a HOME inside the scratch folder. */
export function testHost(environment: Record<string, string> = {}): TestHost {
  const scratch = mkdtempSync(join(tmpdir(), 'firstlight-test-'));
  const events: RunEvent[] = [];
  const abort = new AbortController();
  const mask = createMask();
  const programs = toolPrograms();
  const whole = { PATH: process.env['PATH'] ?? '/usr/bin:/bin', HOME: scratch, ...environment };
  const run = createRunner({ programs, mask, signal: abort.signal, environment: whole });
  return {
    emit: (event) => void events.push(event),
    ask: async (question) => {
      if (question.fallback === undefined) throw new Error(`nobody answers ${question.code}`);
      return question.fallback;
    },
    run, fetch, mask, scratch, cache: scratch, events, abort, environment: whole,
    clock: { now: () => Date.now(), sleep: async (ms, signal) => { await sleep(ms, undefined, signal ? { signal } : {}); } },
    signal: abort.signal,
    remove: () => rmSync(scratch, { recursive: true, force: true }),
  };
}
