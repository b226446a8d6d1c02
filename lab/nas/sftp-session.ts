import { close, fstat, link, lstat, mkdir, open, read, readdir, unlink, write, type Stats } from 'node:fs';
import { join, posix } from 'node:path';
import { promisify } from 'node:util';
import ssh2, { type Attributes, type SFTPWrapper } from 'ssh2';

const { STATUS_CODE, OPEN_MODE } = ssh2.utils.sftp;
const files = {
  open: promisify(open), close: promisify(close), read: promisify(read), write: promisify(write), fstat: promisify(fstat), lstat: promisify(lstat),
  readdir: promisify(readdir), mkdir: promisify(mkdir), link: promisify(link), unlink: promisify(unlink),
};

/** What a server of files does wrong: its disk is full, it stores other bytes than it was given, it cuts the connection after so many bytes of one file, or it gives no answer to writes. */
export type SftpFault = 'full' | 'rot' | 'mute' | { readonly cutAt: number };

type Open = { readonly fd: number } | { readonly names: string[]; readonly folder: string };

/**
 * Serves the files below `root` to one SFTP session, as OpenSSH's sftp-server does (sftp-server.c) without its extensions: a rename onto a
 * name that is taken is refused. `fault` is asked at each write.
 */
export function serveFiles(sftp: SFTPWrapper, root: string, fault: () => SftpFault | undefined, cut: () => void): void {
  const opened = new Map<number, Open>();
  let last = 0;
  const real = (path: string): string => join(root, posix.normalize(`/${path}`));
  const keep = (entry: Open): Buffer => {
    last += 1;
    opened.set(last, entry);
    const handle = Buffer.alloc(4);
    handle.writeUInt32BE(last);
    return handle;
  };
  const at = (handle: Buffer): Open => {
    const entry = opened.get(handle.length === 4 ? handle.readUInt32BE() : 0);
    if (entry === undefined) throw Object.assign(new Error('no such handle'), { code: 'EBADF' });
    return entry;
  };
  const fileAt = (handle: Buffer): number => {
    const entry = at(handle);
    if (!('fd' in entry)) throw Object.assign(new Error('a folder'), { code: 'EISDIR' });
    return entry.fd;
  };
  const ok = (id: number): void => sftp.status(id, STATUS_CODE.OK);
  const answer = (id: number, work: () => Promise<void>): void => void work().catch((error: NodeJS.ErrnoException) => sftp.status(id, statusOf(error.code)));
  sftp.on('REALPATH', (id, path) => sftp.name(id, [{ filename: posix.normalize(`/${path}`), longname: '', attrs: {} as Attributes }]));
  sftp.on('OPEN', (id, path, flags, attrs) => answer(id, async () => {
    const mode = ((flags & OPEN_MODE.WRITE) ? (flags & OPEN_MODE.EXCL ? 'wx' : flags & OPEN_MODE.TRUNC ? 'w' : 'r+') : 'r');
    sftp.handle(id, keep({ fd: await files.open(real(path), mode, attrs.mode ?? 0o666) }));
  }));
  sftp.on('READ', (id, handle, offset, length) => answer(id, async () => {
    const { bytesRead, buffer } = await files.read(fileAt(handle), Buffer.alloc(length), 0, length, offset);
    if (bytesRead === 0) sftp.status(id, STATUS_CODE.EOF);
    else sftp.data(id, buffer.subarray(0, bytesRead));
  }));
  sftp.on('WRITE', (id, handle, offset, data) => answer(id, async () => {
    const wrong = fault();
    if (wrong === 'mute') return;
    if (wrong === 'full') throw Object.assign(new Error('no space'), { code: 'ENOSPC' });
    if (typeof wrong === 'object' && offset + data.length > wrong.cutAt) return cut();
    const bytes = Buffer.from(data);
    if (wrong === 'rot' && offset === 0 && bytes.length > 0) bytes[0]! ^= 1;
    await files.write(fileAt(handle), bytes, 0, bytes.length, offset);
    ok(id);
  }));
  sftp.on('CLOSE', (id, handle) => answer(id, async () => {
    const entry = at(handle);
    opened.delete(handle.readUInt32BE());
    if ('fd' in entry) await files.close(entry.fd);
    ok(id);
  }));
  sftp.on('FSTAT', (id, handle) => answer(id, async () => sftp.attrs(id, attributes(await files.fstat(fileAt(handle))))));
  for (const event of ['STAT', 'LSTAT'] as const) sftp.on(event as 'STAT', (id: number, path: string) => answer(id, async () => sftp.attrs(id, attributes(await files.lstat(real(path))))));
  sftp.on('OPENDIR', (id, path) => answer(id, async () => sftp.handle(id, keep({ names: await files.readdir(real(path)), folder: real(path) }))));
  sftp.on('READDIR', (id, handle) => answer(id, async () => {
    const entry = at(handle);
    const names = 'names' in entry ? entry.names.splice(0, 50) : [];
    if (names.length === 0 || !('names' in entry)) return sftp.status(id, STATUS_CODE.EOF);
    const found = await Promise.all(names.map(async (filename) => ({ filename, longname: filename, attrs: attributes(await files.lstat(join(entry.folder, filename))) })));
    sftp.name(id, found);
  }));
  sftp.on('MKDIR', (id, path, attrs) => answer(id, async () => { await files.mkdir(real(path), attrs.mode ?? 0o777); ok(id); }));
  sftp.on('REMOVE', (id, path) => answer(id, async () => { await files.unlink(real(path)); ok(id); }));
  sftp.on('RENAME', (id, from, to) => answer(id, async () => { await files.link(real(from), real(to)); await files.unlink(real(from)); ok(id); }));
  sftp.on('end', () => { for (const entry of opened.values()) if ('fd' in entry) close(entry.fd, () => {}); });
}

function attributes({ mode, uid, gid, size, atimeMs, mtimeMs }: Stats): Attributes {
  return { mode, uid, gid, size, atime: Math.floor(atimeMs / 1000), mtime: Math.floor(mtimeMs / 1000) };
}

/** As sftp-server.c's errno_to_portable. */
function statusOf(code: string | undefined): number {
  if (code === 'ENOENT' || code === 'ENOTDIR' || code === 'EBADF') return STATUS_CODE.NO_SUCH_FILE;
  return code === 'EACCES' || code === 'EPERM' || code === 'EFAULT' ? STATUS_CODE.PERMISSION_DENIED : STATUS_CODE.FAILURE;
}
