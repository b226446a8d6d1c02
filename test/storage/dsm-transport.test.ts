import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { once } from 'node:events';
import { test } from 'node:test';
import { z } from 'zod';
import { withDsm } from '../../storage/dsm/session.ts';
import { postForm } from '../../storage/dsm/transport.ts';
import { credentials, failure, openDesk, findingsOf, PASSWORD } from './support.ts';

const ADDRESS = '127.21.2.1';

test('a pinned certificate lets in, with colons and capitals too', async () => {
  await using desk = await openDesk(ADDRESS);
  const colons = desk.nas.certificate?.toUpperCase().match(/../g)?.join(':') ?? '';
  const findings = await findingsOf(desk.host, { ...desk.nas, certificate: colons }, credentials);
  assert.deepEqual(findings.map((finding) => finding.kind), ['lun absent', 'target absent']);
});

test('another certificate than the pinned one stops before anything is sent', async () => {
  await using desk = await openDesk(ADDRESS);
  const error = await failure(findingsOf(desk.host, { ...desk.nas, certificate: 'ab'.repeat(32) }, credentials));
  assert.equal(error.code, 'E_DSM_CERTIFICATE');
  assert.match(error.message, new RegExp(desk.nas.certificate ?? 'none'));
  assert.deepEqual(desk.lab.requests, []);
});

test('a self-signed certificate without a pin is not trusted', async () => {
  await using desk = await openDesk(ADDRESS);
  const { certificate: _, ...unpinned } = desk.nas;
  const error = await failure(findingsOf(desk.host, unpinned, credentials));
  assert.equal(error.code, 'E_DSM_CERTIFICATE');
  assert.match(error.message, /SELF_SIGNED/);
  assert.deepEqual(desk.lab.requests, []);
});

test('plain HTTP works where the cluster file says so', async () => {
  await using desk = await openDesk(ADDRESS, { https: false });
  assert.equal((await findingsOf(desk.host, desk.nas, credentials)).length, 2);
});

test('a NAS that refuses, hangs or hangs up amid an answer', async () => {
  await using desk = await openDesk(ADDRESS);
  await desk.lab.fail({ kind: 'refuse' });
  assert.equal((await failure(findingsOf(desk.host, desk.nas, credentials))).code, 'E_DSM_UNREACHABLE');
  await desk.lab.fail({ kind: 'cut' });
  assert.equal((await failure(findingsOf(desk.host, desk.nas, credentials))).code, 'E_DSM_UNREACHABLE');
  await desk.lab.fail({ kind: 'hang' });
  const post = { path: 'query.cgi', form: new URLSearchParams({ api: 'SYNO.API.Info' }), headers: {}, deadlineMs: 150 };
  assert.equal((await failure(postForm(desk.nas, post, desk.host.signal))).code, 'E_DSM_DEADLINE');
  await desk.lab.fail(undefined);
  assert.equal((await findingsOf(desk.host, desk.nas, credentials)).length, 2);
});

test('Ctrl+C ends a waiting call at once', async () => {
  await using desk = await openDesk(ADDRESS);
  await desk.lab.fail({ kind: 'hang' });
  const looking = findingsOf(desk.host, desk.nas, credentials);
  desk.host.abort.abort();
  await assert.rejects(looking, { name: 'AbortError' });
});

test('what is not DSM is told so', async () => {
  const server = createServer((_, response) => response.writeHead(404).end('not here')).listen(5000, ADDRESS);
  await once(server, 'listening');
  try {
    const post = { path: 'query.cgi', form: new URLSearchParams(), headers: {}, deadlineMs: 5_000 };
    const error = await failure(postForm({ address: ADDRESS, port: 5000, https: false }, post, new AbortController().signal));
    assert.equal(error.code, 'E_DSM_ANSWER');
    assert.match(error.message, /404/);
  } finally {
    server.close();
  }
});

test('whatever ends the work, the log-out is sent: an error, Ctrl+C, a NAS that hung up in between', async () => {
  await using desk = await openDesk(ADDRESS, { https: false });
  const list = (dsm: Parameters<Parameters<typeof withDsm>[3]>[0]) => dsm.call('SYNO.Core.ISCSI.LUN', 'list', {}, z.unknown());
  await assert.rejects(withDsm(desk.host, desk.nas, PASSWORD, async () => { throw new Error('of ours'); }), /of ours/);
  await desk.lab.fail({ kind: 'cut', method: 'list' });
  assert.equal((await failure(withDsm(desk.host, desk.nas, PASSWORD, list))).code, 'E_DSM_UNREACHABLE');
  await desk.lab.fail(undefined);
  await assert.rejects(withDsm(desk.host, desk.nas, PASSWORD, async (dsm) => {
    desk.host.abort.abort();
    await list(dsm);
  }), { name: 'AbortError' });
  const count = (method: string): number => desk.lab.requests.filter((request) => request.method === method && request.code === 0).length;
  assert.deepEqual([count('login'), count('logout'), desk.lab.openLogins()], [3, 3, 0]);
});
