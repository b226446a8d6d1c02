import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { promisify } from 'node:util';
import { checkSteps, runChecks } from '../../bootstrap/check.ts';
import { openCredentials, writeCredentials } from '../../bootstrap/credentials.ts';
import { createFacts } from '../../bootstrap/facts.ts';
import { flashSteps } from '../../bootstrap/flash.ts';
import { runSteps } from '../../bootstrap/runner.ts';
import { withKeyAgent } from '../../gitops/agent.ts';
import type { Cluster } from '../../nodes/cluster.ts';
import { inspectCard } from '../../nodes/cards/inspect.ts';
import { loadCluster } from '../../nodes/load.ts';
import { parseStamp, STAMP_KEY } from '../../talos/stamp.ts';
import { NO_PYTHON, workbench, type Workbench } from '../nodes/cards/remote/support.ts';
import { cardFile, smallImage } from '../nodes/cards/support.ts';
import { ageKey } from '../support/age.ts';

let bench: Workbench;
let cluster: Cluster;
let card: string;
beforeEach(async () => {
  bench = await workbench('127.41.5.3');
  const { host, machine } = bench;
  const owner = await ageKey(host, 'owner');
  host.environment['SOPS_AGE_KEY_FILE'] = owner.file;
  card = cardFile(host.scratch, 'w-1.img');
  const image = smallImage(host.scratch, 'image');
  const folder = join(host.scratch, 'tiny');
  mkdirSync(folder);
  const text = readFileSync(join(import.meta.dirname, '../inventories/valid/reader-elsewhere.yaml'), 'utf8')
    .replace('version: 1.11.0', `version: 1.11.0\n  image: ${image.path}`).replaceAll('192.168.77.', '127.41.5.')
    .replace(/url: ssh.*\n/, `url: ssh://pi@127.41.5.3:${machine.port}\n`).replace(/hostKey: .*\n/, `hostKey: ${machine.fingerprint}\n`)
    .replace(/age1caf\w+/, owner.recipient)
    .replace(/address: 127\.41\.5\.21\n/, `$&    card: { device: ${card} }\n`);
  writeFileSync(join(folder, 'cluster.yaml'), text);
  cluster = await loadCluster(folder);
});
afterEach(() => bench.close());

async function flash(): Promise<string> {
  const result = await runSteps(flashSteps(createFacts(cluster, bench.host.scratch), cluster.nodes.filter((node) => node.name === 'w-1')), bench.host);
  return result.steps.map(({ step, end }) => `${step.id} ${end}`).join(', ');
}

test('a card is flashed in the reader that the inventory names, with the key from the credentials; again it is found done', { skip: NO_PYTHON }, async () => {
  const { host, machine, key } = bench;
  await assert.rejects(flash(), { code: 'E_READER_LOGIN' });
  await writeCredentials(host, cluster, { chap: {}, readerKey: key.private });
  assert.equal((await openCredentials(host, cluster)).readerKey, key.private);
  assert.equal(await flash(), 'image already, cards done');
  const contents = await inspectCard(card);
  assert.deepEqual(contents.kind === 'talos' && parseStamp(contents.meta.get(STAMP_KEY))?.node, 'w-1');
  assert.equal(await flash(), 'image already, cards already');
  await runChecks(checkSteps(createFacts(cluster, host.scratch)).filter((step) => step.id === 'reader'), host);
  assert.match(host.events.at(-1)?.message ?? '', /^runs python3; /);
  assert.ok(machine.commands.length > 3);
  const secret = key.private.split('\n').slice(1, -2);
  const told = JSON.stringify(host.events) + readFileSync(join(cluster.folder, 'credentials.sops.yaml'), 'utf8');
  assert.ok(secret.length > 2 && secret.every((line) => !told.includes(line)), 'the key was told');
});

test('card inspect looks into that reader with the owner’s SSH agent, and opens no credentials', { skip: NO_PYTHON }, async () => {
  const { host, key, machine } = bench;
  const inspect = (...args: string[]) => withKeyAgent(host, key.private, (socket) => promisify(execFile)(process.execPath, [join(import.meta.dirname, '../../scripts/cli.ts'), 'card', 'inspect', ...args],
    { env: { ...process.env, SSH_AUTH_SOCK: socket }, timeout: 60_000 }).catch((error: unknown) => error as { stdout: string; stderr: string; code: number }));
  const told = await inspect(card, '--reader', cluster.folder, '--json');
  assert.deepEqual(JSON.parse(told.stdout.split('\n').at(-2) ?? ''), { code: 'card', data: { device: card, kind: 'blank', bytes: 8e9, partitions: [], used: false } });
  assert.equal(machine.commands.length, 1);
  const none = await inspect(card, '--reader', join(import.meta.dirname, '../../examples/homelab/machines/gandalf'));
  assert.match(none.stderr, /E_USAGE_READER/);
});
