import assert from 'node:assert/strict';
import { X509Certificate, randomBytes } from 'node:crypto';
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { parse } from 'yaml';
import { problem } from '../../lib/errors.ts';
import type { Command, Host } from '../../lib/host.ts';
import { roleTalosconfig } from '../../talos/role-config.ts';
import type { Bundle } from '../../talos/secrets.ts';
import { copyDatabase, etcdSnapshot, recoverEtcd, restartKubelet } from '../../talos/talosctl-recover.ts';
import type { Access } from '../../talos/talosctl.ts';
import { testHost, toolPrograms } from '../support/host.ts';
import { exampleCluster } from './example.ts';
import { makeSnapshot, type Made } from './snapshot-made.ts';

const skip = toolPrograms().has('talosctl') && toolPrograms().has('etcdutl') ? false : 'needs talosctl and etcd';
const plain = testHost();
const access: Access = { address: '192.0.2.1', mode: 'secure', talosconfigPath: '/dev/null' };
const commands: Command[] = [];
let made: Made;
before(async () => { if (!skip) made = await makeSnapshot(plain, plain.scratch, { '/registry/minions/cp-1': 'k8s\0node' }); });
after(() => plain.remove());

/** A talosctl that writes these bytes where it is told to, or fails. */
function giving(bytes: () => Uint8Array | Error): Host {
  return { ...plain, run: async (command) => {
    if (command.program !== 'talosctl') return plain.run(command);
    commands.push(command);
    const given = bytes();
    if (given instanceof Error) throw given;
    const [first, , third] = command.args;
    if (first === 'etcd') writeFileSync(third!, given);
    if (first === 'cp') writeFileSync(join(third!, 'db'), given);
    return { exitCode: 0, stdout: '', stderr: '' };
  } };
}

test('a snapshot comes whole, private and proven, or the older one stays and nothing is left aside', { skip }, async () => {
  const file = join(plain.scratch, 'kept.snapshot');
  const whole = readFileSync(made.snapshot);
  const status = await etcdSnapshot(giving(() => whole), access, file);
  assert.deepEqual([status.kind, status.keys, status.bytes], ['snapshot', 1, whole.length]);
  assert.equal(statSync(file).mode & 0o777, 0o600);
  const there = readdirSync(plain.scratch);
  for (const bad of [() => whole.subarray(0, whole.length - 700), () => Buffer.concat([whole.subarray(0, 100), Buffer.from([whole[100]! ^ 1]), whole.subarray(101)]), () => problem('E_TIMEOUT', 'no answer', 'x')]) {
    await assert.rejects(etcdSnapshot(giving(bad), access, file), (error: { code?: string }) => /^E_(SNAPSHOT_(CUT|DIGEST)|TALOS_HANG)$/.test(error.code ?? ''));
    assert.deepEqual(readFileSync(file), whole);
    assert.deepEqual(readdirSync(plain.scratch), there);
  }
});

test('a raw copy comes likewise', { skip }, async () => {
  const file = join(plain.scratch, 'kept.db');
  assert.deepEqual((await copyDatabase(giving(() => readFileSync(made.copy)), access, file)).kind, 'copy');
  await assert.rejects(copyDatabase(giving(() => randomBytes(8192)), access, file), { code: 'E_SNAPSHOT_DATABASE' });
  assert.deepEqual(readFileSync(file), readFileSync(made.copy));
});

test('a recovery names its file, and skips the digest only where told; a kubelet is restarted by name', async () => {
  commands.length = 0;
  const host = giving(() => Buffer.alloc(0));
  await recoverEtcd(host, access, '/private/x.snapshot');
  await recoverEtcd(host, access, '/private/x.db', { skipHash: true });
  await restartKubelet(host, access);
  assert.deepEqual(commands.map(({ args }) => args.slice(0, -4).join(' ')), ['bootstrap --recover-from=/private/x.snapshot', 'bootstrap --recover-from=/private/x.db --recover-skip-hash-check', 'service kubelet restart']);
});

test('a talosconfig of a role has a certificate of the cluster’s CA for that role alone, and its key is masked', { skip }, async () => {
  await plain.run({ program: 'talosctl', args: ['gen', 'secrets', '-o', join(plain.scratch, 'secrets.yaml')] });
  const text = readFileSync(join(plain.scratch, 'secrets.yaml'), 'utf8');
  const { certs } = parse(text) as { certs: { os: { crt: string } } };
  const osCa = Buffer.from(certs.os.crt, 'base64').toString();
  const before = readdirSync(plain.scratch);
  const config = await roleTalosconfig(plain, exampleCluster('/nowhere'), { text, clusterId: '', osCa, kubernetesCa: '' } satisfies Bundle, 'os:etcd:backup', 24);
  const { context, contexts } = parse(config) as { context: string; contexts: Record<string, { endpoints: string[]; ca: string; crt: string; key: string }> };
  const { endpoints, ca, crt, key } = contexts[context]!;
  const certificate = new X509Certificate(Buffer.from(crt, 'base64'));
  assert.equal(certificate.subject, 'O=os:etcd:backup');
  assert.ok(certificate.verify(new X509Certificate(osCa).publicKey));
  assert.ok(Math.abs(Date.parse(certificate.validTo) - Date.now() - 24 * 3_600_000) < 600_000);
  assert.deepEqual([endpoints, ca], [['192.168.77.11'], certs.os.crt]);
  assert.ok(!plain.mask.hide(`x ${key} y`).includes(key));
  assert.deepEqual(readdirSync(plain.scratch), before, 'no key stays on disk');
});
