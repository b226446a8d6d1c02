import assert from 'node:assert/strict';
import { createServer, request, type Server } from 'node:http';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { CreateBucketCommand, ListMultipartUploadsCommand, ListObjectsV2Command, paginateListObjectsV2, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { nightlyPlaces } from '../../../../bootstrap/archive/nightly.ts';
import { s3Place, type S3Options } from '../../../../bootstrap/archive/places/s3.ts';
import { startS3, type S3Server } from '../../../support/s3.ts';
import { testHost, type TestHost } from '../../../support/host.ts';
import { archiveFile, FIRST, holdsContract, sha256 } from './contract.ts';

const KEYS = { accessKeyId: 'CANARYACCESSKEY0001', secretAccessKey: 'canary/secret+access-key-9d4e' };
const folder = mkdtempSync(join(tmpdir(), 'firstlight-s3-'));
let server: S3Server;
let admin: S3Client;
before(async () => {
  server = await startS3(folder);
  if ('skip' in server) return;
  admin = new S3Client({ endpoint: server.endpoint, region: 'us-east-1', forcePathStyle: true, credentials: KEYS });
  await admin.send(new CreateBucketCommand({ Bucket: 'homelab' }));
}, { timeout: 300_000 });
after(async () => {
  admin?.destroy();
  if (!('skip' in server)) await server.close();
  rmSync(folder, { recursive: true });
});

const skip = (): string | undefined => ('skip' in server ? server.skip : undefined);
const options = (changes: Partial<S3Options> = {}): S3Options => ({
  name: 'bucket', bucket: 'homelab', prefix: 'backups/gandalf', region: 'us-east-1', endpoint: 'skip' in server ? '' : server.endpoint, ...KEYS, cluster: 'gandalf', ...changes,
});

for (const [kind, prefix] of [['S3', 'backups/gandalf'], ['S3 without a prefix', '']] as const) {
  holdsContract(kind, () => ({
    open: (host) => s3Place(host, options({ prefix })),
    async names() {
      const keys: string[] = [];
      for await (const { Contents = [] } of paginateListObjectsV2({ client: admin }, { Bucket: 'homelab' })) keys.push(...Contents.map(({ Key = '' }) => Key));
      return keys.sort();
    },
    async strew(name) { await admin.send(new PutObjectCommand({ Bucket: 'homelab', Key: prefix === '' ? name : `${prefix}/${name}`, Body: 'x' })); },
    secrets: Object.values(KEYS),
  }), skip);
}

test('a large archive goes in parts, each with its checksum, and no part is left behind', { timeout: 60_000 }, async (context) => {
  if (skip()) return context.skip(skip());
  const host = testHost();
  const place = s3Place(host, options({ prefix: 'large', partBytes: 5 * 2 ** 20 }));
  const file = archiveFile(host, 12_345_678);
  await place.put(FIRST, file);
  const back = join(host.scratch, 'back');
  await place.get(FIRST, back);
  assert.equal(sha256(back), sha256(file));
  await assert.rejects(place.put(FIRST, file), { code: 'E_PLACE_EXISTS' });
  const { Uploads = [] } = await admin.send(new ListMultipartUploadsCommand({ Bucket: 'homelab' }));
  assert.deepEqual(Uploads, []);
  await place.close();
  host.remove();
});

test('more archives than one page holds are all listed', { timeout: 60_000 }, async (context) => {
  if (skip()) return context.skip(skip());
  const host = testHost();
  const names = Array.from({ length: 8 }, (_, index) => `gandalf-2026110${index + 1}T000000Z.firstlight`);
  for (const name of names) await admin.send(new PutObjectCommand({ Bucket: 'homelab', Key: `many/${name}`, Body: 'x' }));
  const page = await admin.send(new ListObjectsV2Command({ Bucket: 'homelab', Prefix: 'many/' }));
  assert.equal(page.IsTruncated, true);
  const place = s3Place(host, options({ prefix: 'many' }));
  assert.deepEqual((await place.list()).map(({ name }) => name).sort(), names);
  await place.close();
  host.remove();
});

test('the snapshots that the job in the cluster took are found, each recipient’s apart', { timeout: 60_000 }, async (context) => {
  if (skip()) return context.skip(skip());
  const host = testHost();
  const { endpoint } = options();
  const cluster = {
    name: 'gandalf', backup: { places: [{ kind: 's3' as const, name: 'offsite', bucket: 'homelab', prefix: 'nightly', region: 'us-east-1', endpoint: endpoint! }], keep: { last: 1, daily: 1, weekly: 1, monthly: 1 } },
    secrets: { recipients: (['gandalf', 'laptop', 'paper'] as const).map((name) => ({ name, role: name === 'gandalf' ? 'cluster' as const : 'owner' as const, key: name })) },
  };
  for (const [key, body] of [['laptop/gandalf-2026-11-23T03:17:04Z.snap.age', 'for the laptop'], ['laptop/gandalf-2026-11-23T04:17:04+02:00.snap.age', 'x'], ['laptop/gandalf-dev-2026-11-23T03:17:04Z.snap.age', 'x'], ['paper/gandalf-2026-11-23T03:17:04Z.snap', 'x']] as const) {
    await admin.send(new PutObjectCommand({ Bucket: 'homelab', Key: `nightly/snapshots/${key}`, Body: body }));
  }
  assert.deepEqual(nightlyPlaces(host, cluster, {}), []);
  const [laptop, paper, ...more] = nightlyPlaces(host, cluster, { places: { offsite: KEYS } });
  assert.deepEqual([laptop?.recipient.name, paper?.recipient.name, more], ['laptop', 'paper', []]);
  const found = [...await laptop!.place.list()].sort((a, b) => (a.at < b.at ? 1 : -1));
  assert.deepEqual(found.map(({ at }) => at), ['2026-11-23T03:17:04.000Z', '2026-11-23T02:17:04.000Z']);
  assert.deepEqual(await paper!.place.list(), []);
  await laptop!.place.get(found[0]!.name, join(host.scratch, 'snapshot'));
  assert.equal(readFileSync(join(host.scratch, 'snapshot'), 'utf8'), 'for the laptop');
  await Promise.all([laptop!.place.close(), paper!.place.close()]);
  host.remove();
});

test('an upload whose answer is lost is found to be there: the second try meets its own', { timeout: 60_000 }, async (context) => {
  if (skip()) return context.skip(skip());
  const host = testHost();
  let lost = 0;
  const http = createServer((incoming, answer) => {
    const on = request(`${options().endpoint}${incoming.url}`, { method: incoming.method!, headers: incoming.headers }, (from) => {
      if (incoming.method !== 'PUT' || lost++ > 0) return void from.pipe(answer.writeHead(from.statusCode!, from.headers));
      from.resume().on('end', () => incoming.socket.destroy());
    });
    incoming.pipe(on.on('error', () => answer.destroy()));
  }).listen(0, '127.0.0.1');
  await once(http, 'listening');
  const place = s3Place(host, options({ prefix: 'lost', endpoint: `http://127.0.0.1:${(http.address() as { port: number }).port}` }));
  try {
    await place.put(FIRST, archiveFile(host));
    assert.ok(lost > 1, 'it was tried again');
    await assert.rejects(place.put(FIRST, archiveFile(host)), { code: 'E_PLACE_EXISTS' });
  } finally {
    await place.close();
    http.closeAllConnections();
    http.close();
    host.remove();
  }
});

/** The code of a call's error, whose whole text holds no secret. */
async function fault(host: TestHost, changes: Partial<S3Options>, work: 'list' | 'put' = 'list'): Promise<string> {
  const place = s3Place(host, options(changes));
  const error = await (work === 'list' ? place.list() : place.put(FIRST, archiveFile(host, 10))).then(() => assert.fail('it went well'), (thrown: Error & { code: string; hint: string }) => thrown);
  await place.close();
  const text = [error.message, error.hint, error.stack, JSON.stringify(error), String(error.cause), JSON.stringify(host.events)].join('\n');
  for (const secret of [...Object.values(KEYS), 'AWS4-HMAC', 'Signature=']) assert.ok(!text.includes(secret), text);
  assert.ok(error.hint.length > 10 && !error.code.startsWith('E_INTERNAL'), error.stack);
  return error.code;
}

/** A server that refuses each request the way S3 does. */
async function refusing(status: number, code: string): Promise<{ readonly endpoint: string; readonly server: Server }> {
  const http = createServer((request, response) => {
    request.resume();
    response.writeHead(status, { 'content-type': 'application/xml' });
    response.end(`<?xml version="1.0"?><Error><Code>${code}</Code><Message>it is so for ${KEYS.accessKeyId}</Message><AWSAccessKeyId>${KEYS.accessKeyId}</AWSAccessKeyId></Error>`);
  }).listen(0, '127.0.0.1');
  await once(http, 'listening');
  return { endpoint: `http://127.0.0.1:${(http.address() as { port: number }).port}`, server: http };
}

test('what goes wrong at the bucket is told by a code, and never with the keys', { timeout: 60_000 }, async () => {
  const host = testHost();
  if (!skip()) assert.deepEqual([await fault(host, { bucket: 'no-such-bucket' }), await fault(host, { bucket: 'no-such-bucket' }, 'put')], ['E_S3_BUCKET', 'E_S3_BUCKET']);
  const cases = [[403, 'AccessDenied', 'E_S3_REFUSED'], [403, 'InvalidAccessKeyId', 'E_S3_KEYS'], [403, 'SignatureDoesNotMatch', 'E_S3_KEYS'], [403, 'RequestTimeTooSkewed', 'E_S3_CLOCK'],
    [400, 'AuthorizationHeaderMalformed', 'E_S3_REGION'], [507, 'XMinioStorageFull', 'E_PLACE_FULL'], [418, 'Teapot', 'E_S3']] as const;
  for (const [status, code, told] of cases) {
    const { endpoint, server: http } = await refusing(status, code);
    try {
      assert.equal(await fault(host, { endpoint }), told);
    } finally {
      http.closeAllConnections();
      http.close();
    }
  }
  const { endpoint, server: gone } = await refusing(200, '');
  gone.close();
  await once(gone, 'close');
  assert.equal(await fault(host, { endpoint }), 'E_S3_UNREACHABLE');
  assert.equal(await fault(host, { endpoint: 'https://127.0.0.1:1', ca: join(folder, 'nothing.pem') }), 'E_S3_CA');
  host.remove();
});

test('a bucket that falls silent, or is cut off in the middle, ends with a code and leaves no file', { timeout: 60_000 }, async () => {
  const host = testHost();
  const http = createServer((request, response) => {
    if (request.url?.includes('/mute/')) return;
    response.writeHead(200, { 'content-length': '1000000' });
    if (request.method === 'HEAD') return void response.end();
    response.write(Buffer.alloc(100_000));
    setImmediate(() => response.destroy());
  }).listen(0, '127.0.0.1');
  await once(http, 'listening');
  const endpoint = `http://127.0.0.1:${(http.address() as { port: number }).port}`;
  try {
    assert.equal(await fault(host, { endpoint, bucket: 'mute', silentMs: 200 }, 'put'), 'E_S3_UNREACHABLE');
    const place = s3Place(host, options({ endpoint, bucket: 'cut' }));
    const back = join(host.scratch, 'back');
    await assert.rejects(place.get(FIRST, back), (error: { code?: string }) => ['E_S3_UNREACHABLE', 'E_PLACE_CUT'].includes(error.code ?? ''));
    assert.deepEqual(readdirSync(host.scratch).filter((name) => name.includes('back')), []);
    await place.close();
  } finally {
    http.closeAllConnections();
    http.close();
    host.remove();
  }
});
