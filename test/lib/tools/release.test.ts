import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { ensureTools } from '../../../lib/tools/ensure.ts';
import { testHost } from '../../support/host.ts';
import { archive, fakeProgram, optionsFor, serve, sha256 } from '../../support/tool-world.ts';

const TEXT = fakeProgram('1.2.3');
const ways = { from: '1.2.0', below: '1.3.0', says: { fake: ['--version'] } };

function fakeTool(url: string, more: Record<string, unknown> = {}): Record<string, unknown> {
  return { fake: { version: '1.2.3', binaries: ['fake'], onPath: ways, release: { url: `${url}/v{version}/fake-{os}-{arch}`, platforms: ['linux/amd64'], ...more } } };
}

test('a release whose sha256 is the published one is installed, linked, and then found in the cache', async (t) => {
  const host = testHost();
  t.after(() => host.remove());
  const server = await serve('127.100.16.1', (request, response) => {
    response.end(request.url === '/sums' ? `${sha256('other')}  other\n${sha256(TEXT)} *fake-linux-amd64\n` : TEXT);
  });
  t.after(() => server.close());
  const options = optionsFor(host.scratch, fakeTool(server.url, { checksums: `${server.url}/sums` }), '/nowhere');
  const found = await ensureTools(host, options);
  const path = join(host.cache, 'tools', 'fake-1.2.3', 'fake');
  assert.deepEqual([...found], [['fake', path]]);
  assert.equal((await host.run({ program: join(host.cache, 'tools', 'bin', 'fake'), args: [] })).stdout, 'fake v1.2.3\n');
  assert.ok(server.requests.includes('GET /v1.2.3/fake-linux-amd64'));
  const asked = server.requests.length;
  await ensureTools(host, options);
  assert.equal(server.requests.length, asked);
  const ends = host.events.filter((event) => event.data?.['phase'] === 'done').map((event) => event.data?.['way']);
  assert.deepEqual(ends, ['download', 'cache']);
});

test('a release with another sha256 than published is refused, and nothing of it stays', async (t) => {
  const host = testHost();
  t.after(() => host.remove());
  const server = await serve('127.100.16.2', (request, response) => response.end(request.url === '/sums' ? `${sha256('good')}\n` : TEXT));
  t.after(() => server.close());
  const options = optionsFor(host.scratch, fakeTool(server.url, { checksums: `${server.url}/sums` }), '/nowhere');
  await assert.rejects(ensureTools(host, options), { code: 'E_TOOL', message: new RegExp(`fake 1.2.3 .*sha256 ${sha256(TEXT)}, published is ${sha256('good')}: refused.*Go: no Go module`) });
  assert.equal(existsSync(join(host.cache, 'tools', 'fake-1.2.3', 'fake')), false);
  assert.equal(existsSync(join(host.cache, 'tools', 'bin', 'fake')), false);
  assert.ok(host.events.some((event) => event.code === 'tool.note' && event.message?.includes('refused')));
});

test('a digest pinned in tools.lock.yaml is what counts, and archives are unpacked by member', async (t) => {
  const host = testHost();
  t.after(() => host.remove());
  const packed = archive(join(host.scratch, 'made'), 'fake-1.2.3/bin/fake', TEXT);
  const server = await serve('127.100.16.3', (_request, response) => response.end(packed));
  t.after(() => server.close());
  const release = { members: { fake: 'fake-{version}/bin/fake' }, sha256: { 'linux/amd64': sha256(packed) } };
  const found = await ensureTools(host, optionsFor(host.scratch, fakeTool(server.url, release), '/nowhere'));
  assert.equal(readFileSync(found.get('fake') ?? '', 'utf8'), TEXT);
});

test('where no digest is known the first one is recorded, and a changed file is refused later', async (t) => {
  const host = testHost();
  t.after(() => host.remove());
  let served = TEXT;
  const server = await serve('127.100.16.4', (_request, response) => response.end(served));
  t.after(() => server.close());
  const options = optionsFor(host.scratch, fakeTool(server.url), '/nowhere');
  const folder = join(host.cache, 'tools', 'fake-1.2.3');
  await ensureTools(host, options);
  assert.equal(readFileSync(join(folder, 'recorded.sha256'), 'utf8'), `${sha256(TEXT)}  fake-linux-amd64\n`);
  writeFileSync(join(folder, 'fake'), 'damaged');
  served = `${TEXT}# changed\n`;
  await assert.rejects(ensureTools(host, options), { code: 'E_TOOL', message: /recorded is .*: refused/ });
  served = TEXT;
  await ensureTools(host, options);
  assert.equal(readFileSync(join(folder, 'fake'), 'utf8'), TEXT);
});

test('a cut transfer goes on where it stopped, within a run and from an earlier one', async (t) => {
  const host = testHost();
  t.after(() => host.remove());
  let cut: (() => void) | undefined;
  let whole = false;
  const server = await serve('127.100.16.5', (request, response) => {
    const from = Number(/bytes=(\d+)-/.exec(request.headers.range ?? '')?.[1] ?? 0);
    response.writeHead(from > 0 ? 206 : 200, { 'content-length': TEXT.length - from, ...(from > 0 ? { 'content-range': `bytes ${from}-${TEXT.length - 1}/${TEXT.length}` } : {}) });
    cut = () => response.destroy();
    if (whole) response.end(TEXT.slice(from));
    else response.write(TEXT.slice(from, from + 9_000));
  });
  // The server cuts when the first bytes are told to be there.
  const emit: typeof host.emit = (event) => {
    host.emit(event);
    if (whole || event.data?.['phase'] !== 'download') return;
    whole = true;
    cut?.();
  };
  t.after(() => server.close());
  const options = optionsFor(host.scratch, fakeTool(server.url, { sha256: { 'linux/amd64': sha256(TEXT) } }), '/nowhere');
  const aside = join(host.cache, 'tools', '.aside');
  mkdirSync(aside, { recursive: true });
  writeFileSync(join(aside, 'fake-1.2.3-fake-linux-amd64'), TEXT.slice(0, 5_000));
  const found = await ensureTools({ ...host, emit }, options);
  assert.equal(readFileSync(found.get('fake') ?? '', 'utf8'), TEXT);
  const starts = server.requests.slice(1).map((request) => Number(/bytes=(\d+)-$/.exec(request)?.[1]));
  assert.equal(starts[0], 5_000);
  assert.ok(starts.length === 2 && starts[1]! > 5_000 && starts[1]! <= 14_000, server.requests.join());
});

test('a program that says another version than pinned is not kept', async (t) => {
  const host = testHost();
  t.after(() => host.remove());
  const server = await serve('127.100.16.6', (_request, response) => response.end(fakeProgram('1.2.9')));
  t.after(() => server.close());
  const options = optionsFor(host.scratch, fakeTool(server.url), '/nowhere');
  await assert.rejects(ensureTools(host, options), { code: 'E_TOOL', message: /fake was to be 1\.2\.3 and says 1\.2\.9/ });
  await assert.rejects(ensureTools(host, options), { code: 'E_TOOL' });
});
