import { test } from 'node:test';
import assert from 'node:assert/strict';
import { lookThrough, mayPass, talosProblem } from '../../talos/errors.ts';
import { FILES, recorded, type Recorded } from './recorded.ts';

/** By what a recorded command ended with; the first that fits. Written from the recordings, apart from the mapper's own rules. */
const EXPECTED: readonly [string, (each: Recorded) => boolean][] = [
  ['E_TALOS_FINGERPRINT', (each) => each.stderr.includes('provided fingerprints')],
  ['E_TALOS_OTHER_CLUSTER', (each) => each.stderr.includes('signed by unknown authority')],
  ['E_TALOS_MAINTENANCE_CLOSED', (each) => each.command.includes('--insecure') && /certificate required|broken pipe|reset by peer/.test(each.stderr)],
  ['E_TALOS_CLIENT_REFUSED', (each) => /unknown certificate authority|expired certificate|broken pipe/.test(each.stderr)],
  ['E_TALOS_REFUSED', (each) => each.stderr.includes(':50000: connect: connection refused')],
  ['E_TALOS_UNREACHABLE', (each) => /no route to host|i\/o timeout/.test(each.stderr)],
  ['E_TALOS_WORKER', (each) => /only be performed on|only available on/.test(each.stderr)],
  ['E_TALOS_ALREADY', (each) => each.stderr.includes('etcd data directory is not empty')],
  ['E_TALOS_UNIMPLEMENTED', (each) => /in maintenance mode\n|in container mode/.test(each.stderr) && !each.stderr.includes('validation')],
  ['E_TALOS_INVALID_CONFIG', (each) => each.command[0] === 'apply-config' && /failed to parse|InvalidArgument|no configuration data/.test(each.stderr)],
  ['E_TALOS_FORWARD', (each) => each.stderr.includes('no request forwarding')],
  ['E_TALOS_DENIED', (each) => /not authorized|namespace "nosuch"/.test(each.stderr)],
  ['E_TALOS_NO_LEADER', (each) => each.stderr.includes('no leader')],
  ['E_TALOS_ETCD_REFUSED', (each) => each.stderr.includes('not enough started members')],
  ['E_TALOS_NOT_FOUND', (each) => /NotFound|not registered|no such file|not defined|container "nosuch"/.test(each.stderr)],
  ['E_TALOS_HANG', (each) => /context (canceled|deadline exceeded)/.test(each.stderr)],
];

test('every recorded failure of real Talos has its code, and every code its hint', () => {
  const seen = new Map<string, number>();
  for (const file of FILES) {
    for (const each of recorded(file)) {
      if (each.exitCode === 0 || each.stderr === '') continue;
      const mode = each.command.includes('--insecure') ? 'maintenance' : 'secure';
      const error = talosProblem(each.stderr, { what: each.command[0] ?? '', address: '10.77.0.11', mode });
      const expected = EXPECTED.find(([, fits]) => fits(each))?.[0] ?? 'E_TALOS';
      assert.equal(error.code, expected, `${file}: ${each.name}: ${each.stderr}`);
      assert.ok(error.hint.length > 10 && !error.message.includes('Usage:') && error.message.length < 700, each.name);
      seen.set(error.code, (seen.get(error.code) ?? 0) + 1);
    }
  }
  for (const [code] of EXPECTED) assert.ok(seen.has(code), `${code} was never recorded`);
});

test('the two refusals of an early bootstrap, which were not recorded, wait', () => {
  for (const text of ['bootstrap is not available yet', 'time is not in sync yet']) {
    const error = talosProblem(`error executing bootstrap: rpc error: code = FailedPrecondition desc = ${text}\n`, { what: 'bootstrap', address: 'x', mode: 'secure' });
    assert.equal(error.code, 'E_TALOS_NOT_READY');
    assert.ok(mayPass(error));
  }
});

test('what Go says of certificates for another address or time', () => {
  const code = (text: string) => talosProblem(`rpc error: code = Unavailable desc = connection error: desc = "tls: failed to verify certificate: x509: ${text}"`, { what: 'get', address: 'x', mode: 'secure' }).code;
  assert.equal(code('certificate is valid for 10.0.0.1, not 10.0.0.2'), 'E_TALOS_CERTIFICATE');
  assert.equal(code("cannot validate certificate for 10.0.0.1 because it doesn't contain any IP SANs"), 'E_TALOS_CERTIFICATE');
  assert.equal(code('certificate has expired or is not yet valid: current time 2026-11-23T01:00:00Z is before 2026-11-23T02:00:00Z'), 'E_TALOS_CLOCK');
});

test('only states that pass by themselves are waited for', () => {
  const code = (stderr: string) => mayPass(talosProblem(stderr, { what: 'get', address: 'x', mode: 'maintenance' }));
  assert.ok(code('rpc error: code = Unavailable desc = write tcp 1->2: write: broken pipe'));
  assert.ok(!code('rpc error: code = Unavailable desc = x509: certificate signed by unknown authority'));
  assert.ok(!code('rpc error: code = AlreadyExists desc = etcd data directory is not empty'));
  assert.ok(!mayPass(new Error('connection refused')));
});

test('a look through passing states goes on, any other error ends it', async () => {
  const failing = (stderr: string) => lookThrough(async () => { throw talosProblem(stderr, { what: 'get', address: 'x', mode: 'secure' }); });
  const seen = await failing('Error while dialing: dial tcp 1.2.3.4:50000: connect: connection refused');
  assert.ok(!seen.met && /refuses connections/.test(seen.seen));
  await assert.rejects(failing('rpc error: code = AlreadyExists desc = etcd data directory is not empty'), { code: 'E_TALOS_ALREADY' });
});
