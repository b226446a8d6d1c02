import assert from 'node:assert/strict';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { ManyErrors } from '../../../lib/errors.ts';
import { ensureTools } from '../../../lib/tools/ensure.ts';
import { firstOnPath } from '../../../lib/tools/on-path.ts';
import { readPins } from '../../../lib/tools/pins.ts';
import { testHost } from '../../support/host.ts';
import { fakeProgram, optionsFor, placeProgram, serve } from '../../support/tool-world.ts';

const ROOT = join(import.meta.dirname, '..', '..', '..');
const onPath = { from: '1.2.0', below: '1.3.0', says: { fake: ['--version'] } };
const pinned = (url: string): Record<string, unknown> => ({ fake: { version: '1.2.3', binaries: ['fake'], onPath, release: { url: `${url}/fake`, platforms: ['linux/amd64'] } } });
const goPath = (): string => process.env['PATH'] ?? '';

test('a program on PATH at a compatible version is taken as it is', async (t) => {
  const host = testHost();
  t.after(() => host.remove());
  const theirs = placeProgram(join(host.scratch, 'theirs'), 'fake', fakeProgram('1.2.9'));
  const found = await ensureTools(host, optionsFor(host.scratch, pinned('http://127.100.15.1:9'), dirname(theirs)));
  assert.equal(found.get('fake'), theirs);
  assert.equal(host.events.at(-1)?.data?.['way'], 'path');
  assert.equal(host.events.at(-1)?.data?.['version'], '1.2.9');
});

test('one at an incompatible version is passed over, and the pinned one fetched', async (t) => {
  const host = testHost();
  t.after(() => host.remove());
  const server = await serve('127.100.15.2', (_request, response) => response.end(fakeProgram('1.2.3')));
  t.after(() => server.close());
  for (const version of ['1.1.9', '1.3.0', '1.3.0-rc.1', 'x']) {
    const theirs = placeProgram(join(host.scratch, `theirs-${version}`), 'fake', fakeProgram(version));
    const found = await ensureTools(host, optionsFor(host.scratch, pinned(server.url), dirname(theirs)));
    assert.equal(found.get('fake'), join(host.cache, 'tools', 'fake-1.2.3', 'fake'));
  }
});

test('our own links on PATH are not taken for somebody else’s programs', async (t) => {
  const host = testHost();
  t.after(() => host.remove());
  const server = await serve('127.100.15.3', (_request, response) => response.end(fakeProgram('1.2.3')));
  t.after(() => server.close());
  const options = optionsFor(host.scratch, pinned(server.url), join(host.cache, 'tools', 'bin'));
  await ensureTools(host, options);
  await ensureTools(host, options);
  assert.equal(host.events.at(-1)?.data?.['way'], 'cache');
});

test('where neither way works one error names the tool and both reasons, and a dead server is tried once for all', async (t) => {
  const host = testHost();
  t.after(() => host.remove());
  let calls = 0;
  const counting: typeof fetch = (...request) => { calls += 1; return fetch(...request); };
  const build = { module: 'none', packages: { fake: 'example.invalid/fake' }, memoryMiB: 10, cpuSeconds: 1 };
  const [one] = Object.values(pinned('http://127.100.15.4:9'));
  const tools = { fake: { ...(one as object), build }, again: { ...(one as object), build } };
  const options = optionsFor(host.scratch, tools, '/nowhere');
  await assert.rejects(ensureTools({ ...host, fetch: counting }, { ...options, only: ['fake'] }), {
    code: 'E_TOOL', message: /^fake 1\.2\.3 can't be had: release: 127\.100\.15\.4:9 cannot be reached .*; Go: /,
  });
  calls = 0;
  await assert.rejects(ensureTools({ ...host, fetch: counting }, options), (error) => error instanceof ManyErrors && error.problems.length === 2);
  assert.equal(calls, 1);
});

test('an abort ends a download, says so, and keeps what came for the next run', async (t) => {
  const host = testHost();
  t.after(() => host.remove());
  const text = fakeProgram('1.2.3');
  const server = await serve('127.100.15.5', (_request, response) => {
    response.writeHead(200, { 'content-length': text.length });
    response.write(text.slice(0, 9_000));
  });
  t.after(() => server.close());
  const emit: typeof host.emit = (event) => { if (event.data?.['phase'] === 'download') host.abort.abort(); };
  await assert.rejects(ensureTools({ ...host, emit }, optionsFor(host.scratch, pinned(server.url), '/nowhere')), { code: 'E_ABORTED' });
  assert.ok(statSync(join(host.cache, 'tools', '.aside', 'fake-1.2.3-fake')).size > 0);
  assert.deepEqual(readdirSync(join(host.cache, 'tools')), ['.aside']);
});

test('age is built from its Go module into an empty cache, by two firstlights at once only one time', { timeout: 240_000 }, async (t) => {
  if (await firstOnPath('go', `${goPath()}:/usr/local/go/bin`, '/nowhere') === undefined) return t.skip('Go is not here');
  const host = testHost();
  t.after(() => host.remove());
  const goEnvironment = Object.fromEntries(Object.entries(process.env).filter((entry): entry is [string, string] => entry[1] !== undefined));
  const [age] = (await readPins(join(ROOT, 'tools.lock.yaml'))).filter((pin) => pin.tool === 'age');
  const { tool: _tool, release: _release, onPath: says, ...rest } = age!;
  const tools = { age: { ...rest, onPath: { ...says, from: '1.3.2', below: '1.3.2' } } };
  const options = optionsFor(host.scratch, tools, goPath(), { modules: join(ROOT, 'tools'), goEnvironment, platform: { os: process.platform, arch: process.arch } });
  const both = await Promise.all([ensureTools(host, options), ensureTools(host, options)]);
  assert.deepEqual(both[0], both[1]);
  const ends = host.events.filter((event) => event.data?.['phase'] === 'done').map((event) => event.data?.['way']);
  assert.deepEqual(ends.sort(), ['build', 'cache']);
  assert.equal((await host.run({ program: both[0].get('age') ?? '', args: ['--version'] })).stdout, 'v1.3.2\n');
  assert.ok(existsSync(both[0].get('age-keygen') ?? ''));
});
