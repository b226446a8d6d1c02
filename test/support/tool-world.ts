import { createHash } from 'node:crypto';
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { once } from 'node:events';
import { join } from 'node:path';
import { stringify } from 'yaml';
import type { ToolsOptions } from '../../lib/tools/ensure.ts';

/** A program that answers any argument with this version: a shell script of 20 kB, so that a transfer can be cut. */
export function fakeProgram(version: string): string {
  return `#!/bin/sh\necho "fake v${version}"\nexit\n${'#'.repeat(20_000)}\n`;
}

/** Writes an executable and gives its path. */
export function placeProgram(folder: string, name: string, text: string): string {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, name), text);
  chmodSync(join(folder, name), 0o755);
  return join(folder, name);
}

/** The sha256 of a text, in hexadecimal. */
export function sha256(text: string | Buffer): string {
  return createHash('sha256').update(text).digest('hex');
}

/** A tar.gz with one file at `member`. */
export function archive(folder: string, member: string, text: string): Buffer {
  const file = join(folder, member);
  placeProgram(join(file, '..'), member.split('/').at(-1) ?? member, text);
  execFileSync('tar', ['-czf', join(folder, 'made.tar.gz'), '-C', folder, member]);
  return readFileSync(join(folder, 'made.tar.gz'));
}

/** A release server on a loopback address; `requests` holds `METHOD path range`. */
export type ReleaseServer = { readonly url: string; readonly requests: string[]; close(): void };

/** Serves what `answer` gives for GETs; a HEAD (is it reachable?) is always answered. */
export async function serve(address: string, answer: (request: IncomingMessage, response: ServerResponse) => void): Promise<ReleaseServer> {
  const requests: string[] = [];
  const server = createServer((request, response) => {
    requests.push(`${request.method} ${request.url} ${request.headers.range ?? ''}`.trim());
    if (request.method === 'HEAD') response.end();
    else answer(request, response);
  });
  server.listen(0, address);
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  return { url: `http://${address}:${port}`, requests, close: () => { server.closeAllConnections(); server.close(); } };
}

/** Writes a lock file with these tools and gives the options to go with it; Go is not on its PATH unless `path` has it. */
export function optionsFor(folder: string, tools: Record<string, unknown>, path: string, more: Partial<ToolsOptions> = {}): ToolsOptions {
  writeFileSync(join(folder, 'tools.lock.yaml'), stringify({ tools }));
  return {
    lockFile: join(folder, 'tools.lock.yaml'), modules: join(folder, 'modules'), path, goEnvironment: {},
    memoryBytes: 8 * 1024 ** 3, platform: { os: 'linux', arch: 'x64' }, ...more,
  };
}
