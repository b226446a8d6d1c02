import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createReadStream, existsSync } from 'node:fs';
import { mkdir, readFile, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { dirname, join } from 'node:path';
import { writeWhole } from '../../../lib/files.ts';
import { nowInSeconds, SourceFailure, type Artifact, type SourceObject } from './status.ts';

/** Where artifacts lie and are served from, as source-controller's own storage. Paths are `<kind>/<namespace>/<name>/<file>`. */
export type SourceStorage = {
  /** The file on disk of an artifact's path. */
  file(path: string): string;
  /** Makes the folder of a path, fills it by `write` (bytes, or a writer of the file), and describes what lies there. Throws SourceFailure. */
  store(path: string, revision: string, write: Uint8Array | ((file: string) => Promise<unknown>)): Promise<Artifact>;
  has(path: string): boolean;
  /** Is this what the object's status says, and still served under this URL? */
  holds(object: SourceObject, path: string, revision: string): boolean;
  /** Removes all artifacts of an object. */
  drop(kind: string, object: SourceObject): Promise<void>;
  close(): void;
};

/** Where an artifact of an object lies; characters that no URL or file name should have are replaced. */
export function artifactPath(kind: string, { metadata }: SourceObject, file: string): string {
  return `${kind}/${metadata.namespace}/${metadata.name}/${file.replace(/[^\w.-]/g, '_')}`;
}

/** Starts serving a folder over HTTP on a free port of the address. */
export async function openStorage(root: string, address: string): Promise<SourceStorage> {
  await mkdir(root, { recursive: true, mode: 0o700 });
  const server = await serve(root, address);
  const bound = server.address();
  const base = `http://${address}:${typeof bound === 'object' && bound ? bound.port : 0}`;
  const file = (path: string): string => join(root, path);
  return {
    file,
    has: (path) => existsSync(file(path)),
    store: async (path, revision, write) => {
      try {
        await mkdir(dirname(file(path)), { recursive: true });
        await (typeof write === 'function' ? write(file(path)) : writeWhole(file(path), write, 0o600));
        const bytes = await readFile(file(path));
        const digest = `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
        return { path, url: `${base}/${path}`, revision, digest, size: bytes.length, lastUpdateTime: nowInSeconds() };
      } catch (error) {
        throw new SourceFailure('ArchiveOperationFailed', `unable to archive artifact to storage: ${(error as Error).message}`, { condition: 'StorageOperationFailed' });
      }
    },
    holds: ({ metadata, status }, path, revision) => status?.artifact?.revision === revision && status.artifact.url === `${base}/${path}`
      && existsSync(file(path)) && status.observedGeneration === metadata.generation,
    drop: (kind, object) => rm(dirname(file(artifactPath(kind, object, 'any'))), { recursive: true, force: true }),
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}

async function serve(root: string, address: string): Promise<Server> {
  const server = createServer((request, answer) => {
    const path = new URL(request.url ?? '/', 'http://storage').pathname;
    if (!/^\/[a-z]+(\/[\w.-]+){3}$/.test(path) || path.includes('..')) return void answer.writeHead(404).end();
    const file = createReadStream(join(root, path));
    file.on('error', () => (answer.headersSent ? answer.destroy() : answer.writeHead(404).end()));
    file.on('open', () => answer.writeHead(200, { 'content-type': 'application/gzip' }));
    file.pipe(answer);
  });
  server.listen(0, address);
  await once(server, 'listening');
  return server;
}
