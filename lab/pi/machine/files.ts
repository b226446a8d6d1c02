import { lstat, readdir, readFile } from 'node:fs/promises';
import { basename, join, posix, relative } from 'node:path';
import { gzipTar, type TarFile } from '../../tar.ts';
import { initiatorName, machineIdOf } from '../identity.ts';
import type { Handlers } from '../api/handler.ts';
import type { Node } from '../node.ts';
import { pack, unpack } from '../wire/messages.ts';
import { status } from '../wire/status.ts';

const DIRECTORY = 0o20000000755;
const LINK = 0o1000000777;
const LINKS: Readonly<Record<string, string>> = { '/bin': 'usr/bin', '/lib': 'usr/lib', '/lib64': 'usr/lib', '/sbin': 'usr/bin' };
const FOLDERS: Readonly<Record<string, readonly string[]>> = {
  '/': ['.extra', 'bin', 'boot', 'dev', 'etc', 'home', 'lib', 'lib64', 'mnt', 'opt', 'proc', 'root', 'run', 'sbin', 'sys', 'system', 'tmp', 'usr', 'var'],
  '/etc': ['hostname', 'hosts', 'iscsi', 'machine-id', 'os-release', 'resolv.conf'], '/etc/iscsi': ['initiatorname.iscsi'],
};

// What is always in /var, whether the card's folder has it or not.
const VAR = ['lib', 'log', 'mnt', 'run'];

/** The text of a file that Talos makes, or undefined. */
export function fileText(node: Node, path: string): string | undefined {
  const { version } = node.card;
  switch (path) {
    case '/etc/hostname': return `${node.hostname}\n`;
    case '/etc/machine-id': return node.identity === '' ? '' : machineIdOf(node.identity);
    case '/etc/iscsi/initiatorname.iscsi': return node.identity === '' ? '' : `InitiatorName=${initiatorName(machineIdOf(node.identity))}\n`;
    case '/etc/hosts': return `127.0.0.1       localhost\n${node.address}       ${node.hostname}\n`;
    case '/etc/resolv.conf': return 'nameserver 127.0.0.53\n';
    case '/etc/os-release': return `NAME="Talos"\nID=talos\nVERSION_ID=${version}\nPRETTY_NAME="Talos (${version})"\nHOME_URL="https://www.talos.dev/"\nBUG_REPORT_URL="https://github.com/siderolabs/talos/issues"\nVENDOR_NAME="Sidero Labs"\nVENDOR_URL="https://www.siderolabs.com/"\n`;
    case '/proc/sys/kernel/random/boot_id': return `${node.bootId}\n`;
    case '/proc/cmdline': return 'console=tty1 console=ttyAMA0,115200 sysctl.kernel.kexec_load_disabled=1 talos.dashboard.disabled=1 talos.platform=metal\n';
    default: return undefined;
  }
}

async function onCard(node: Node, path: string): Promise<string | undefined> {
  if (path !== '/var' && !path.startsWith('/var/')) return undefined;
  return node.config ? join(await node.parts.card.ephemeralFolder(node.cardPath), posix.normalize(path).slice('/var'.length)) : undefined;
}

function info(path: string, root: string, of: { readonly size: number; readonly directory: boolean; readonly modified: number }): Uint8Array {
  const name = path === root ? '.' : posix.relative(root, path);
  const link = LINKS[path];
  return pack('FileInfo', {
    name: path, size: BigInt(link ? link.length : of.size), mode: link ? LINK >>> 0 : of.directory ? DIRECTORY >>> 0 : 0o644, modified: BigInt(Math.floor(of.modified / 1000)),
    is_dir: link === undefined && of.directory, link: link ?? '', relative_name: name,
  });
}

const PIECE = 32 * 1024;

/** The files at and below a path, by the names that an archive gives them; a file alone has its own name. */
async function filesBelow(real: string): Promise<readonly TarFile[]> {
  const stat = await lstat(real);
  if (!stat.isDirectory()) return [{ name: basename(real), data: await readFile(real), mode: 0o600, seconds: Math.floor(stat.mtimeMs / 1000) }];
  const found = await readdir(real, { recursive: true, withFileTypes: true });
  return Promise.all(found.filter((one) => one.isFile()).map(async (one) => {
    const path = join(one.parentPath, one.name);
    return { name: relative(real, path), data: await readFile(path), mode: 0o600, seconds: Math.floor((await lstat(path)).mtimeMs / 1000) };
  }));
}

/** Reading, copying and listing files: what Talos makes, and what is really on the card under `/var`. */
export const FILE_HANDLERS: Handlers = {
  Read: async function* (node, _call, request) {
    const path = posix.normalize(String(unpack('ReadRequest', request)['path'] ?? ''));
    const text = fileText(node, path);
    if (text !== undefined) return void (yield* text === '' ? [] : [pack('Data', { bytes: Buffer.from(text) })]);
    if (FOLDERS[path] || LINKS[path]) throw status('Unknown', 'path must be a regular file');
    const real = await onCard(node, path);
    const stat = real === undefined ? undefined : await lstat(real).catch(() => undefined);
    if (real === undefined || !stat) throw status('NotFound', `stat ${path}: no such file or directory`);
    if (!stat.isFile()) throw status('Unknown', 'path must be a regular file');
    yield pack('Data', { bytes: await readFile(real) });
  },
  // A failure is told in the last message, as in siderolabs/talos:internal/app/machined/internal/server/v1alpha1.
  Copy: async function* (node, _call, request) {
    const path = posix.normalize(String(unpack('CopyRequest', request)['root_path'] ?? ''));
    const real = await onCard(node, path);
    try {
      const text = fileText(node, path);
      const files = text !== undefined ? [{ name: basename(path), data: text }] : await filesBelow(real ?? '');
      const archive = gzipTar(files);
      for (let at = 0; at < archive.length; at += PIECE) yield pack('Data', { bytes: archive.subarray(at, at + PIECE) });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
      yield pack('Data', { metadata: { error: `stat ${path}: no such file or directory` } });
    }
  },
  List: async function* (node, _call, request) {
    const root = posix.normalize(String(unpack('ListRequest', request)['root'] || '/'));
    const modified = node.bootedAt;
    const known = FOLDERS[root];
    if (known) {
      yield info(root, root, { size: 4096, directory: true, modified });
      for (const name of known) {
        const path = posix.join(root, name);
        const text = fileText(node, path);
        yield info(path, root, { size: text?.length ?? 4096, directory: text === undefined, modified });
      }
      return;
    }
    const real = await onCard(node, root);
    const held = real === undefined ? undefined : await readdir(real).catch(() => undefined);
    const names = root === '/var' && held ? [...new Set([...VAR, ...held])].filter((name) => !name.startsWith('etcd.')) : held;
    if (real === undefined || !names) throw status('Unknown', `lstat ${root}: no such file or directory`);
    yield info(root, root, { size: 4096, directory: true, modified });
    for (const name of names.toSorted()) {
      const stat = await lstat(join(real, name)).catch(() => lstat(real));
      yield info(posix.join(root, name), root, { size: stat.size, directory: stat.isDirectory(), modified: stat.mtimeMs });
    }
  },
};
