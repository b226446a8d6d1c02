import assert from 'node:assert/strict';
import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { testHost, type TestHost } from '../support/host.ts';

function program(host: TestHost, body: string): string {
  const path = join(host.scratch, 'program');
  writeFileSync(path, `#!/bin/sh\n${body}\n`);
  chmodSync(path, 0o755);
  return path;
}

test('a failing program is told by name and its last words, never by its argv or a secret', async () => {
  const host = testHost();
  host.mask.add('canary-in-stderr');
  const path = program(host, 'echo "it broke near canary-in-stderr" >&2; exit 3');
  await assert.rejects(host.run({ program: path, args: ['apply', '--token', 'canary-in-argv'] }), (error: Error & { code?: string }) => {
    assert.equal(error.code, 'E_PROGRAM');
    assert.match(error.message, /program apply ended with 3: it broke near •••/);
    return !error.message.includes('canary') && error.cause === undefined;
  });
  host.remove();
});

test('lines are told as they come, the last one too, before the program is said to have ended', async () => {
  const host = testHost();
  const lines: string[] = [];
  const path = program(host, 'echo one; echo "two err" >&2; printf three');
  const { stdout } = await host.run({ program: path, args: [], onStdoutLine: (line) => lines.push(line), onStderrLine: (line) => lines.push(line) });
  assert.deepEqual([lines.toSorted(), stdout], [['one', 'three', 'two err'], 'one\nthree']);
  host.remove();
});

test('input goes in by stdin, output comes back whole, other exit codes can be accepted', async () => {
  const host = testHost();
  const path = program(host, 'cat; printf "x=%s" "$X"; exit 2');
  const result = await host.run({ program: path, args: [], stdin: 'hello\n', env: { X: '1' }, accept: [2] });
  assert.deepEqual(result, { exitCode: 2, stdout: 'hello\nx=1', stderr: '' });
  host.remove();
});

test('a program that is not there, hangs, or is stopped has a code of its own', async () => {
  const host = testHost();
  await assert.rejects(host.run({ program: 'no-such-program', args: [] }), { code: 'E_NO_PROGRAM' });
  const path = program(host, 'exec sleep 60');
  await assert.rejects(host.run({ program: path, args: [], timeoutMs: 50 }), { code: 'E_TIMEOUT' });
  const running = host.run({ program: path, args: [] });
  host.abort.abort();
  await assert.rejects(running, { code: 'E_ABORTED' });
  host.remove();
});

test('the lines of standard error are told as they come', async () => {
  const host = testHost();
  const lines: string[] = [];
  await host.run({ program: program(host, 'echo one >&2; printf two >&2'), args: [], onStderrLine: (line) => void lines.push(line) });
  assert.deepEqual(lines, ['one', 'two']);
  host.remove();
});
