import { copyFile } from 'node:fs/promises';
import { join } from 'node:path';
import { xsalsa20poly1305 } from '@noble/ciphers/salsa.js';
import { randomBytes } from 'node:crypto';
import { waitFor } from '../../lib/conditions.ts';
import type { TestHost } from '../support/host.ts';

/** What a made snapshot holds besides its key: values by key under /registry/. */
export type Made = { readonly snapshot: string; readonly copy: string };

/** A value as kube-apiserver keeps it with the provider secretbox. */
export function sealed(text: string, key: Uint8Array): Buffer {
  const nonce = randomBytes(24);
  return Buffer.concat([Buffer.from('k8s:enc:secretbox:v1:key2:'), nonce, xsalsa20poly1305(key, nonce).encrypt(Buffer.from(`k8s\0${text}`))]);
}

/** Starts a real etcd in `folder`, puts the values in, and gives a snapshot of it and a copy of its database, which it no longer holds open then. */
export async function makeSnapshot(host: TestHost, folder: string, values: Readonly<Record<string, Uint8Array | string>>): Promise<Made> {
  const end = new AbortController();
  const running = host.run({
    program: 'etcd', cwd: folder, signal: end.signal, timeoutMs: 120_000, accept: 'any',
    args: ['--name=made', '--data-dir=made', '--listen-client-urls=unix://client', '--advertise-client-urls=http://127.0.0.1:1', '--listen-peer-urls=unix://peer', '--initial-advertise-peer-urls=http://127.0.0.1:1',
      '--initial-cluster=made=http://127.0.0.1:1', '--unsafe-no-fsync', '--log-level=error'],
  }).catch(() => {});
  const etcdctl = (args: readonly string[], stdin?: Uint8Array | string) => host.run({ program: 'etcdctl', cwd: folder, args: ['--endpoints=unix://client', ...args], ...(stdin === undefined ? {} : { stdin }) });
  try {
    await waitFor({ name: 'the etcd answers', deadlineMs: 30_000, hint: '', look: async () => { await etcdctl(['endpoint', 'status']).catch((error: unknown) => { throw new Error(String(error)); }); return { met: true, value: true }; } }, host);
    for (const [key, value] of Object.entries(values)) await etcdctl(['put', key], value);
    await etcdctl(['snapshot', 'save', 'made.snapshot']);
  } finally {
    end.abort();
    await running;
  }
  await copyFile(join(folder, 'made/member/snap/db'), join(folder, 'made.db'));
  return { snapshot: join(folder, 'made.snapshot'), copy: join(folder, 'made.db') };
}
