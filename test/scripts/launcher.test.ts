import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { placeProgram } from '../support/tool-world.ts';

const ROOT = join(import.meta.dirname, '..', '..');
const NEEDED = ['sh', 'cat', 'cksum', 'cut', 'dirname', 'env', 'ln', 'mkdir', 'mv', 'pwd', 'readlink', 'rm', 'sleep', 'tail'];

// Stands for npm: notes its arguments; `install --prefix DIR` puts this Node where the package `node` does, `ci` makes node_modules.
const NPM = `#!/bin/sh
echo "$*" >>"$NPM_CALLS"
[ -z "\${NPM_BREAKS:-}" ] || { echo 'npm says why' >&2; exit 1; }
case "$1" in
  install) mkdir -p "$3/node_modules/node/bin" && ln -s "$REAL_NODE" "$3/node_modules/node/bin/node" ;;
  ci) rm -rf "$3/node_modules" && mkdir -p "$3/node_modules" ;;
esac
`;

type World = { readonly root: string; readonly bin: string; readonly cache: string; readonly calls: () => string[]; run: (environment?: Record<string, string>, start?: string) => Promise<{ code: number; out: string; err: string }> };

/** A checkout with the real launcher and a program that says what it is, and a PATH with only what a test puts there. */
function makeWorld(t: TestContext): World {
  const folder = mkdtempSync(join(tmpdir(), 'firstlight-launch-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const [root, bin, home, calls] = [join(folder, 'a checkout'), join(folder, 'bin'), join(folder, 'home'), join(folder, 'calls')];
  for (const made of [join(root, 'scripts'), bin, home]) mkdirSync(made, { recursive: true });
  for (const file of ['firstlight', 'scripts/launch.sh']) copyFileSync(join(ROOT, file), join(root, file));
  writeFileSync(join(root, 'scripts', 'cli.ts'), 'const said: string[] = process.argv.slice(2);\nprocess.stdout.write(JSON.stringify({ said, version: process.version, path: process.env["PATH"] }));\n');
  writeFileSync(join(root, 'package-lock.json'), '{}\n');
  for (const name of NEEDED) {
    const real = (process.env['PATH'] ?? '').split(delimiter).map((part) => join(part, name)).find((file) => existsSync(file));
    if (real) symlinkSync(real, join(bin, name));
  }
  placeProgram(bin, 'npm', NPM);
  const run: World['run'] = async (environment = {}, start = join(root, 'firstlight')) => {
    const env = { PATH: bin, HOME: home, NPM_CALLS: calls, REAL_NODE: process.execPath, ...environment };
    const child = spawn(start, ['--json', 'two words'], { env, stdio: ['ignore', 'pipe', 'pipe'] });
    let [out, err] = ['', ''];
    child.stdout.on('data', (data) => { out += String(data); });
    child.stderr.on('data', (data) => { err += String(data); });
    const [code] = await once(child, 'close') as [number];
    return { code, out, err };
  };
  return { root, bin, cache: join(home, '.cache', 'firstlight'), run, calls: () => (existsSync(calls) ? readFileSync(calls, 'utf8').trim().split('\n') : []) };
}

const oldNode = (world: World): string => placeProgram(world.bin, 'node', '#!/bin/sh\necho v20.20.2\n');

test('with an old node first on PATH the cached new one runs, with arguments and PATH as given', async (t) => {
  const world = makeWorld(t);
  oldNode(world);
  const cached = join(world.cache, 'node', '24', 'node_modules', 'node', 'bin');
  mkdirSync(cached, { recursive: true });
  symlinkSync(process.execPath, join(cached, 'node'));
  const { code, out, err } = await world.run();
  assert.equal(code, 0, err);
  assert.deepEqual(JSON.parse(out), { said: ['--json', 'two words'], version: process.version, path: world.bin });
  assert.equal(world.calls().length, 1);
});

test('a new enough node further down PATH is taken before any is fetched', async (t) => {
  const world = makeWorld(t);
  oldNode(world);
  const later = join(world.root, 'later');
  mkdirSync(later);
  symlinkSync(process.execPath, join(later, 'node'));
  const { code, out } = await world.run({ PATH: `${world.bin}:${later}` });
  assert.equal(code, 0);
  assert.equal(JSON.parse(out).version, process.version);
  assert.equal(existsSync(join(world.cache, 'node')), false);
});

test('where only an old node is, Node 24 is fetched once and packages when their lock changes', async (t) => {
  const world = makeWorld(t);
  oldNode(world);
  const first = await world.run();
  assert.equal(first.code, 0, first.err);
  assert.match(first.err, /^firstlight: Node v20\.20\.2 is too old: bringing Node 24 into .*\nfirstlight: fetching the packages of package-lock.json\n$/);
  const second = await world.run();
  assert.deepEqual([second.code, second.err], [0, '']);
  writeFileSync(join(world.root, 'package-lock.json'), '{ }\n');
  assert.equal((await world.run()).code, 0);
  assert.deepEqual(world.calls().map((call) => call.split(' ')[0]), ['install', 'ci', 'ci']);
});

test('two that start at once set up one time', async (t) => {
  const world = makeWorld(t);
  oldNode(world);
  const both = await Promise.all([world.run(), world.run()]);
  assert.deepEqual(both.map(({ code }) => code), [0, 0], both.map(({ err }) => err).join());
  assert.deepEqual(world.calls().map((call) => call.split(' ')[0]), ['install', 'ci']);
});

test('a lock whose holder is gone does not stop the next', async (t) => {
  const world = makeWorld(t);
  oldNode(world);
  mkdirSync(join(world.cache, 'locks', 'node'), { recursive: true });
  // The largest process number Linux gives is 2^22.
  writeFileSync(join(world.cache, 'locks', 'node', 'pid'), '99999999\n');
  assert.equal((await world.run()).code, 0);
});

test('what npm says is shown when it fails, and nothing counts as set up', async (t) => {
  const world = makeWorld(t);
  oldNode(world);
  const { code, err } = await world.run({ NPM_BREAKS: '1' });
  assert.equal(code, 1);
  assert.match(err, /npm says why\nfirstlight: fetching Node 24 failed/);
  assert.equal((await world.run()).code, 0);
});

test('it starts through links, from any folder', async (t) => {
  const world = makeWorld(t);
  oldNode(world);
  symlinkSync(join('..', 'a checkout', 'firstlight'), join(world.bin, 'firstlight'));
  symlinkSync('firstlight', join(world.bin, 'fl'));
  const { code, err } = await world.run({}, join(world.bin, 'fl'));
  assert.equal(code, 0, err);
});

test('what is missing is named', async (t) => {
  const world = makeWorld(t);
  const none = await world.run();
  assert.equal(none.code, 1);
  assert.match(none.err, /^firstlight: Node is not on PATH: install it with npm/);
  oldNode(world);
  rmSync(join(world.bin, 'npm'));
  assert.match((await world.run()).err, /npm is not on PATH/);
  assert.match((await world.run({ HOME: '' })).err, /^firstlight: HOME is not set/);
});
