import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { parse } from 'yaml';
import { plainKey } from '../../../lab/pi/tls.ts';
import type { Board } from '../../../lab/pi/types.ts';
import { connectGrpc, type ClientTls } from '../../../lab/pi/wire/client.ts';
import { unpack } from '../../../lab/pi/wire/messages.ts';
import { asGrpcError, type GrpcError } from '../../../lab/pi/wire/status.ts';
import { applied, bootedBoard, makeFiles, type Files } from './boards.ts';
import { partsWithoutKubernetes } from './memory-card.ts';
import { normal } from './recordings.ts';

type Recorded = {
  readonly method: string;
  readonly requestHeaders: Readonly<Record<string, string | readonly string[]>>;
  readonly requestMessages: readonly (string | object)[];
  readonly responseMessages: readonly (string | object)[] | string;
  readonly grpcStatus?: number;
  readonly grpcMessage?: string;
};

const FOLDER = new URL('../../recorded/talos-1.11.0/wire/', import.meta.url);
const CP = '127.80.0.11';

function callsOf(name: string): readonly Recorded[] {
  return (JSON.parse(readFileSync(new URL(name, FOLDER), 'utf8')) as { calls: readonly Recorded[] }).calls;
}

const FILES = readdirSync(FOLDER).filter((name) => name.endsWith('.json'));

async function send(call: Recorded, tls: ClientTls, node: string | undefined): Promise<{ status: number; message: string; replies: readonly Uint8Array[] }> {
  const client = connectGrpc(CP, 50000, tls);
  const replies: Uint8Array[] = [];
  try {
    const requests = call.requestMessages.map((one) => Buffer.from(one as string, 'base64'));
    const headers = node === undefined ? {} : 'node' in call.requestHeaders ? { node } : { nodes: node };
    for await (const reply of client.call(call.method, requests, headers, AbortSignal.timeout(5_000))) replies.push(reply);
    return { status: 0, message: '', replies };
  } catch (error) {
    const failure: GrpcError = asGrpcError(error);
    return { status: failure.code, message: failure.message, replies };
  } finally {
    client.close();
  }
}

// What is compared: ended calls whose request was kept. Watches never end; the rest needs a running etcd or Kubernetes.
function comparable(call: Recorded): boolean {
  return call.grpcStatus !== undefined && call.requestMessages.every((one) => typeof one === 'string') && !/Watch|Etcd|Bootstrap|Events|Upgrade|TimeService|Logs|HealthCheck/.test(call.method);
}

describe('call by call, the virtual Pi answers with the recorded status', { concurrency: false }, () => {
  let files: Files;
  let board: Board;
  let admin: ClientTls;
  before(async () => {
    files = await makeFiles(CP, '127.80.0.13');
    board = await bootedBoard(CP, partsWithoutKubernetes(files.folder), join(files.folder, 'a'));
    const { contexts } = parse(readFileSync(files.talosconfig, 'utf8')) as { contexts: { lab: { ca: string; crt: string; key: string } } };
    const pem = (base64: string): string => plainKey(Buffer.from(base64, 'base64').toString());
    admin = { ca: pem(contexts.lab.ca), crt: pem(contexts.lab.crt), key: pem(contexts.lab.key) };
  });
  after(async () => {
    await board.powerOff();
    files.remove();
  });

  for (const name of FILES.filter((one) => one.startsWith('maintenance-') && !one.includes('eth0') && !one.includes('links-one'))) {
    test(name, async () => {
      for (const call of callsOf(name).filter(comparable)) {
        const got = await send(call, {}, undefined);
        assert.deepEqual([call.method, got.status, normal(got.message)], [call.method, call.grpcStatus, normal(call.grpcMessage ?? '')]);
      }
    });
  }

  describe('with a config', () => {
    before(() => applied(board, 'controlplane.yaml', files));
    const skipped = /^(maintenance|vm-|worker|two-nodes|unreachable|node-is|version-unknown|before-bootstrap|bootstrap|get-links-one|list-long)/;
    for (const name of FILES.filter((one) => !skipped.test(one))) {
      test(name, async () => {
        for (const call of callsOf(name).filter(comparable)) {
          const target = call.requestHeaders['node'] ?? call.requestHeaders['nodes'];
          if (Array.isArray(target) || target === '') continue;
          const got = await send(call, admin, target === undefined ? undefined : CP);
          assert.deepEqual([call.method, got.status, normal(got.message)], [call.method, call.grpcStatus, normal(call.grpcMessage ?? '')]);
          const recorded = typeof call.responseMessages === 'string' ? undefined : call.responseMessages[0];
          if (typeof recorded !== 'string' || call.method.startsWith('/cosi.')) continue;
          // Errors and the answering node are told in the metadata of the first message, which all replies have in one place.
          const unary = !/Read|List$|Kubeconfig/.test(call.method) || call.method.endsWith('ServiceList');
          const metadata = (bytes: Uint8Array): unknown => {
            const text = JSON.stringify(unary ? unpack('EmptyResponse', bytes) : unpack('Empty', bytes));
            return normal(text);
          };
          assert.deepEqual(metadata(got.replies[0]!), metadata(Buffer.from(recorded, 'base64')), call.method);
        }
      });
    }
  });
});
