import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';

/** One end that a program spoke to. */
export type Connection = { readonly pid: number; readonly program: string; readonly address: string; readonly port: number };

type Socket = { readonly local: string; readonly address: string; readonly port: number; readonly listens: boolean; readonly inode: string };

const TABLES = ['tcp', 'tcp6', 'udp', 'udp6'];

/** Milliseconds between two looks; one costs ten, for the kernel walks through all its connections. */
const EVERY_MS = 250;

/**
 * Looks four times a second at the connections that all programs which this process started, and those they started, have made, by the
 * kernel's own tables (proc(5): /proc/net/tcp, /proc/<pid>/fd), and tells of every one that is not `allowed`. A system without /proc has
 * nothing to look at. Gives what ends it.
 */
export function followChildren(allowed: (address: string, port: number) => boolean, tell: (connection: Connection) => void): () => void {
  const strangers = new Set<string>();
  const look = (): void => {
    const sockets = TABLES.flatMap(socketsOf);
    const listening = new Set(sockets.filter(({ listens }) => listens).map(({ local }) => local));
    const open = sockets.filter(({ local, address, port, listens, inode }) => !listens && !listening.has(local) && !allowed(address, port) && !strangers.has(inode));
    if (open.length === 0) return;
    const owners = socketOwners(descendants(process.pid));
    for (const { address, port, inode } of open) {
      const pid = owners.get(inode);
      // Whoever had it is not ours; sockets are handed from parent to child only.
      if (pid === undefined) strangers.add(inode);
      else tell({ pid, program: nameOf(pid), address, port });
    }
  };
  const timer = setInterval(look, EVERY_MS);
  timer.unref();
  return () => clearInterval(timer);
}

/** The sockets of a table that listen or are connected, but for those that nobody holds any more. */
function socketsOf(table: string): Socket[] {
  return textOf(`/proc/self/net/${table}`).split('\n').slice(1).flatMap((line) => {
    const [, local = '', remote = '', state, , , , , , inode = '0'] = line.trim().split(/\s+/);
    const [hex = '', port = '0'] = remote.split(':');
    const number = Number.parseInt(port, 16);
    const listens = table.startsWith('tcp') && state === '0A';
    return inode === '0' || (number === 0 && !listens) ? [] : [{ local, address: listens ? '' : addressOf(hex), port: number, listens, inode }];
  });
}

/** The kernel writes each 32 bits of an address as one number of this machine; IPv4 in IPv6 is given as IPv4. */
function addressOf(hex: string): string {
  const words = hex.match(/.{8}/g)?.map((word) => Buffer.from(word, 'hex').reverse()) ?? [];
  const bytes = Buffer.concat(words);
  if (bytes.length === 4) return bytes.join('.');
  if (bytes.subarray(0, 12).toString('hex') === '00000000000000000000ffff') return bytes.subarray(12).join('.');
  return (bytes.toString('hex').match(/.{4}/g) ?? []).map((word) => Number.parseInt(word, 16).toString(16)).join(':').replace(/^(0:){7}/, '::');
}

/** All processes below one, itself left out. */
function descendants(root: number): number[] {
  const children = new Map<number, number[]>();
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const parent = Number(/\) \S (\d+) /.exec(textOf(`/proc/${name}/stat`))?.[1]);
    if (!Number.isNaN(parent)) children.set(parent, [...children.get(parent) ?? [], Number(name)]);
  }
  const below = (pid: number): number[] => (children.get(pid) ?? []).flatMap((child) => [child, ...below(child)]);
  return below(root);
}

function socketOwners(pids: readonly number[]): Map<string, number> {
  const owners = new Map<string, number>();
  for (const pid of pids) {
    for (const file of filesOf(pid)) {
      const inode = /^socket:\[(\d+)\]$/.exec(file)?.[1];
      if (inode !== undefined) owners.set(inode, pid);
    }
  }
  return owners;
}

function filesOf(pid: number): string[] {
  const folder = `/proc/${pid}/fd`;
  try {
    return readdirSync(folder).map((name) => {
      try {
        return readlinkSync(join(folder, name));
      } catch {
        return '';
      }
    });
  } catch {
    return [];
  }
}

function nameOf(pid: number): string {
  return textOf(`/proc/${pid}/comm`).trim() || 'a program';
}

/** A file's text, or nothing: a process that is looked at may end at any moment. */
function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
