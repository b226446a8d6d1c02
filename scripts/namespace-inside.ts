import { existsSync, readFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { problem } from '../lib/errors.ts';
import { writeWhole } from '../lib/files.ts';
import type { Host } from '../lib/host.ts';
import { networkNamespace } from './namespace.ts';

/** What a namespace is to hold: networks (CIDR) whose every address is its own, and names with their addresses. */
export type Furnishing = { readonly routes: readonly string[]; readonly names: ReadonlyMap<string, readonly string[]> };

/** Sockets by which name look-ups would be answered outside: of systemd-resolved and of nscd. */
const FOREIGN_RESOLVERS = ['/run/systemd/resolve', '/run/nscd', '/var/run/nscd'];

// `ip -json` writes an empty object for each thing that it leaves out.
type Link = { readonly ifname?: string };
type Route = { readonly dev?: string; readonly dst?: string; readonly type?: string };

/**
 * Makes the namespace that this process is in a machine of its own: loopback up, every address of the networks answered here, names
 * by a hosts file of its own and by nothing else; `folder` keeps these files. Before, and again after, it is proven that nothing leads
 * out. `left` is the network namespace the process came from. Throws `E_LAB_OUTSIDE`, and what host.run throws.
 */
export async function furnishNamespace(host: Host, left: string, furnishing: Furnishing, folder: string): Promise<void> {
  await proveClosed(host, left);
  await host.run({ program: 'ip', args: ['link', 'set', 'lo', 'up'] });
  // Without a source, a connection would come from the very address it goes to; so it comes from 127.0.0.1, as on loopback.
  for (const route of furnishing.routes) await host.run({ program: 'ip', args: ['route', 'replace', 'local', route, 'dev', 'lo', 'src', '127.0.0.1'] });
  await mkdir(folder, { recursive: true });
  const lay = async (path: string, text: string): Promise<void> => {
    if (!existsSync(path)) return;
    const own = join(folder, path.split('/').at(-1)!);
    await writeWhole(own, text);
    await host.run({ program: 'mount', args: ['--bind', own, path] });
  };
  await lay('/etc/hosts', hostsFile(furnishing.names));
  await lay('/etc/resolv.conf', '');
  await lay('/etc/nsswitch.conf', onlyFiles('/etc/nsswitch.conf'));
  for (const path of FOREIGN_RESOLVERS) if (existsSync(path)) await host.run({ program: 'mount', args: ['-t', 'tmpfs', 'none', path] });
  await proveClosed(host, left);
}

/** Proves that no packet can leave: another network namespace than the one left, no interface up but loopback, no route by another. Throws `E_LAB_OUTSIDE`. */
async function proveClosed(host: Host, left: string): Promise<void> {
  const ask = async <T>(...args: string[]): Promise<T[]> => JSON.parse((await host.run({ program: 'ip', args: ['-json', ...args] })).stdout || '[]') as T[];
  const [links, four, six] = await Promise.all([ask<Link>('link', 'show', 'up'), ask<Route>('-4', 'route', 'show', 'table', 'all'), ask<Route>('-6', 'route', 'show', 'table', 'all')]);
  const leading = [
    ...(networkNamespace() === left ? ['it is the network of the machine itself'] : []),
    ...links.filter(({ ifname }) => ifname !== undefined && ifname !== 'lo').map(({ ifname }) => `its interface ${ifname} is up`),
    ...[...four, ...six].filter(({ dst, dev, type }) => dst !== undefined && dev !== 'lo' && !['unreachable', 'blackhole', 'prohibit'].includes(type ?? '')).map(({ dst, dev }) => `${dst} is reached by ${dev}`),
  ];
  if (leading.length > 0) {
    throw problem('E_LAB_OUTSIDE', `the rehearsal’s own network is not closed: ${leading.join('; ')}`, 'Nothing was begun. Rehearse with --loopback, where every connection is checked instead.');
  }
}

function hostsFile(names: Furnishing['names']): string {
  const own = hostname().split('.')[0] ?? '';
  return ['127.0.0.1 localhost', '::1 localhost', `127.0.0.1 ${[...new Set([hostname(), own])].join(' ')}`, ...[...names].flatMap(([name, addresses]) => addresses.map((address) => `${address} ${name}`)), ''].join('\n');
}

/** The system's own file, with the hosts file as the only place where names are looked up. */
function onlyFiles(path: string): string {
  const text = readFileSync(path, 'utf8');
  return `${text.replace(/^\s*hosts:.*$/gm, '').trimEnd()}\nhosts: files\n`;
}
