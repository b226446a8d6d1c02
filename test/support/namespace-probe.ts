import { once } from 'node:events';
import { lookup } from 'node:dns/promises';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { furnishNamespace } from '../../scripts/namespace-inside.ts';
import { testHost } from './host.ts';

// Runs inside a network namespace: furnishes it with the addresses it is told, and says as JSON what can be reached from there.

type Asked = { readonly left: string; readonly routes: string[]; readonly names: Record<string, string[]>; readonly outside: [host: string, port: number][]; readonly own: [host: string, port: number][] };

const asked = JSON.parse(process.argv[2] ?? '') as Asked;
const host = testHost();

async function reach(address: string, port: number): Promise<string> {
  const socket = connect(port, address);
  try {
    const [data] = await once(socket, 'data', { signal: AbortSignal.timeout(5_000) }) as [Buffer];
    return data.toString();
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? String(error);
  } finally {
    socket.destroy();
  }
}

try {
  const before = await Promise.all(asked.outside.map(([address, port]) => reach(address, port)));
  await furnishNamespace(host, asked.left, { routes: asked.routes, names: new Map(Object.entries(asked.names)) }, join(host.scratch, 'namespace'));
  const furnished = await Promise.all(asked.outside.map(([address, port]) => reach(address, port)));
  const own: string[] = [];
  for (const [address, port] of asked.own) {
    const server = createServer((socket) => void socket.end(`own ${socket.remoteAddress}`)).listen(port, /^[\d.]+$/.test(address) ? address : (await lookup(address, 4)).address);
    await once(server, 'listening');
    own.push(await reach(address, port));
    server.close();
  }
  const unknown = await lookup('unknown.example').then(({ address }) => address, (error: NodeJS.ErrnoException) => error.code);
  process.stdout.write(JSON.stringify({ before, furnished, own, unknown }));
} catch (error) {
  process.stdout.write(JSON.stringify({ error: (error as { code?: string }).code, message: (error as Error).message }));
} finally {
  host.remove();
}
