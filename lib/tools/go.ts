import { problem } from '../errors.ts';
import type { Host } from '../host.ts';

/** How Go is called: the program, the environment it needs (HOME, GOPATH, GOPROXY, …) and the folder of our Go modules. */
export type Go = { readonly program: string; readonly environment: Readonly<Record<string, string>>; readonly modules: string };

const DEADLINE_MS = 45 * 60_000;

/** Runs Go; standard error lines go to `each`. Throws `E_TOOL_BUILD` with Go's words, or what `Host.run` throws. */
export async function runGo(host: Host, go: Go, cwd: string, args: readonly string[], each?: (line: string) => void): Promise<string> {
  const done = await host.run({ program: go.program, args, cwd, timeoutMs: DEADLINE_MS, env: go.environment, accept: 'any', ...(each ? { onStderrLine: each } : {}) });
  if (done.exitCode === 0) return done.stdout;
  // `go build -v` names each package it compiles: not what failed.
  const words = done.stderr.trim().split('\n').filter((line) => !/^\S+$/.test(line) && !line.startsWith('go: downloading')).slice(-4);
  throw problem('E_TOOL_BUILD', `go ${args[0]} ended with ${done.exitCode}: ${host.mask.hide(words.join(' | ').slice(-1_000))}`, 'See whether the Go module proxy can be reached (go env GOPROXY).');
}
