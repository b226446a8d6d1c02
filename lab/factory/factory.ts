import { createReadStream } from 'node:fs';
import { mkdir, readdir, readFile, rm, stat } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { once } from 'node:events';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { writeWhole } from '../../lib/files.ts';
import { buildImage } from './build-image.ts';
import { readSchematic, type FactorySchematic } from './schematics.ts';

/** How the factory fails: closes every connection, cuts each image half-way, or serves images with a flipped byte. */
export type FactoryFault = 'refuse' | 'cut' | 'corrupt' | undefined;

/** A request that came, as one line (`GET /versions`), and the range it asked for. */
export type FactoryRequest = { readonly line: string; readonly range?: string };

/** A running image factory. */
export type LabFactory = {
  readonly url: string;
  readonly requests: readonly FactoryRequest[];
  fail(fault: FactoryFault): void;
  close(): Promise<void>;
};

/** The forms of an image it serves; any other is answered 404. */
export type FactoryForm = 'zst' | 'xz';

/** Where it listens, the folder for schematics and built images (kept between runs: building one takes a second), and what it serves (both). */
export type FactorySetup = { readonly address: string; readonly port: number; readonly folder: string; readonly forms?: readonly FactoryForm[] };

const EXTENSIONS = ['siderolabs/iscsi-tools', 'siderolabs/util-linux-tools', 'siderolabs/nfs-utils', 'siderolabs/tailscale', 'siderolabs/zfs'];
const VERSIONS = ['v1.10.8', 'v1.11.0', 'v1.11.6', 'v1.12.0', 'v1.13.9', 'v1.14.6'];

type World = {
  readonly folder: string;
  readonly forms: readonly string[];
  readonly requests: FactoryRequest[];
  /** Images being built, so that two requests make one. */
  readonly building: Map<string, Promise<string>>;
  fault: FactoryFault;
};

/** Starts an image factory with the HTTP API of siderolabs/image-factory (docs/api.md). Port 0 takes a free one. */
export async function startFactory(setup: FactorySetup): Promise<LabFactory> {
  await mkdir(setup.folder, { recursive: true });
  await sweep(setup.folder);
  const world: World = { folder: setup.folder, forms: setup.forms ?? ['zst', 'xz'], requests: [], building: new Map(), fault: undefined };
  const server = createServer((request, response) => {
    answer(world, request, response).catch((error: unknown) => {
      if (response.headersSent) response.destroy();
      else text(response, 500, error instanceof Error ? error.message : String(error));
    });
  });
  server.listen(setup.port, setup.address);
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  return {
    url: `http://${setup.address}:${port}`,
    requests: world.requests,
    fail: (fault) => { world.fault = fault; },
    close: () => closed(server),
  };
}

/** Removes images that a killed factory left half-built: ten minutes old, so that no other one is still at it. */
async function sweep(folder: string): Promise<void> {
  for (const name of (await readdir(folder)).filter((one) => /\.raw\.(zst|xz)\.[0-9a-f]{8}$/.test(one))) {
    const found = await stat(join(folder, name)).catch(() => undefined);
    if (found && Date.now() - found.mtimeMs > 600_000) await rm(join(folder, name), { force: true });
  }
}

async function closed(server: Server): Promise<void> {
  const gone = once(server, 'close');
  server.close();
  server.closeAllConnections();
  await gone;
}

async function answer(world: World, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { range } = request.headers;
  world.requests.push({ line: `${request.method} ${request.url}`, ...(range === undefined ? {} : { range }) });
  if (world.fault === 'refuse') return void request.socket.destroy();
  const [, first = '', second = '', third = '', ...rest] = (request.url ?? '').split('?')[0]?.split('/') ?? [];
  const reading = request.method === 'GET' || request.method === 'HEAD';
  if (first === 'schematics' && second === '' && request.method === 'POST') return post(world, request, response);
  if (first === 'schematics' && reading) {
    const known = await schematic(world, second);
    return known ? text(response, 200, known.yaml, 'application/yaml') : text(response, 404, 'schematic not found');
  }
  if (first === 'versions' && reading) return json(response, 200, VERSIONS);
  if (first === 'version' && third === 'extensions' && rest[0] === 'official' && reading) {
    if (!VERSIONS.includes(second)) return text(response, 404, `version ${second} is not available`);
    return json(response, 200, EXTENSIONS.map((name) => ({ name, ref: `ghcr.io/${name}:${second}`, author: 'Sidero Labs', description: name })));
  }
  const form = /^metal-arm64\.raw\.(\w+)$/.exec(rest[0] ?? '')?.[1];
  if (first === 'image' && form !== undefined && world.forms.includes(form) && reading) return image(world, { id: second, version: third, form }, request, response);
  text(response, 404, 'not found');
}

async function post(world: World, request: IncomingMessage, response: ServerResponse): Promise<void> {
  let body = '';
  for await (const piece of request) body += String(piece);
  const read = readSchematic(body, EXTENSIONS);
  if (typeof read === 'string') return text(response, 400, read);
  await writeWhole(join(world.folder, `${read.id}.json`), JSON.stringify(read));
  json(response, 201, { id: read.id, schematic: read.yaml });
}

async function schematic(world: World, id: string): Promise<FactorySchematic | undefined> {
  if (!/^[0-9a-f]{64}$/.test(id)) return undefined;
  return readFile(join(world.folder, `${id}.json`), 'utf8').then((found) => JSON.parse(found) as FactorySchematic, () => undefined);
}

async function image(world: World, of: { id: string; version: string; form: string }, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const known = await schematic(world, of.id);
  if (!known) return text(response, 404, 'schematic not found');
  if (!VERSIONS.includes(of.version)) return text(response, 404, `version ${of.version} is not available`);
  const path = await built(world, known, of);
  const { size } = await stat(path);
  const wanted = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '');
  const start = Number(wanted?.[1] ?? 0);
  const end = Math.min(size, wanted?.[2] ? Number(wanted[2]) + 1 : size);
  if (wanted && start >= size) return void response.writeHead(416, { 'content-range': `bytes */${size}` }).end();
  const headers = { 'content-type': of.form === 'zst' ? 'application/zstd' : 'application/x-xz', 'accept-ranges': 'bytes', 'content-length': end - start };
  response.writeHead(wanted ? 206 : 200, wanted ? { ...headers, 'content-range': `bytes ${start}-${end - 1}/${size}` } : headers);
  if (request.method === 'HEAD') return void response.end();
  await send(world, path, { start, end, size }, response);
}

async function send(world: World, path: string, span: { start: number; end: number; size: number }, response: ServerResponse): Promise<void> {
  // A cut, by a fault or by the client, ends the connection: nobody is left to tell.
  await pipeline(pieces(world, path, span), response).catch(() => response.destroy());
}

async function* pieces(world: World, path: string, span: { start: number; end: number; size: number }): AsyncGenerator<Buffer> {
  const cutAt = span.start + Math.floor((span.end - span.start) / 2);
  const flipAt = Math.floor(span.size / 2);
  let at = span.start;
  for await (const piece of createReadStream(path, { start: span.start, end: span.end - 1, highWaterMark: 256 * 1024 }) as AsyncIterable<Buffer>) {
    if (world.fault === 'refuse' || (world.fault === 'cut' && at >= cutAt)) throw new Error('cut');
    const place = flipAt - at;
    if (world.fault === 'corrupt' && place >= 0 && place < piece.length) piece[place] = (piece[place] ?? 0) ^ 0xff;
    at += piece.length;
    yield piece;
  }
}

function built(world: World, known: FactorySchematic, { version, form }: { version: string; form: string }): Promise<string> {
  const path = join(world.folder, `${known.id}-${version}.raw.${form}`);
  const making = world.building.get(path) ?? stat(path).then(() => path, async () => {
    await buildImage(path, { version, schematic: known.id, extensions: known.extensions });
    return path;
  });
  world.building.set(path, making);
  making.catch(() => world.building.delete(path));
  return making;
}

function text(response: ServerResponse, status: number, body: string, type = 'text/plain'): void {
  response.writeHead(status, { 'content-type': type }).end(`${body}\n`);
}

function json(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}
