import { posix } from 'node:path';
import type { SFTPWrapper } from 'ssh2';
import { FirstlightError, problem } from '../../../lib/errors.ts';
import type { Host } from '../../../lib/host.ts';
import { connectSsh, type Ssh } from '../../../lib/ssh.ts';
import { archiveTime, type Place } from './place.ts';
import { sftpFiles, STATUS, type SftpFiles } from './sftp-files.ts';
import { asideName, digestOf, existsProblem, isLeftBehind, missingProblem, readBackProblem, readPieces, receive, sizeOf, teller } from './transfer.ts';

/** A folder of another machine, the NAS or any with SSH; `path` is the server's own, absolute. One of password and private key is needed; both are secret. */
export type SftpOptions = {
  readonly name: string;
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly path: string;
  /** OpenSSH's fingerprint of the host key, `SHA256:…`. */
  readonly hostKey: string;
  readonly password?: string;
  readonly privateKey?: string;
  readonly cluster: string;
  /** Milliseconds for one answer; 60,000 unless told. */
  readonly answerMs?: number;
};

const ANSWER_MS = 60_000;
const KEEPALIVE_MS = 15_000;

/**
 * Backups on another machine over SFTP: written aside (0600), made durable where the server can (fsync@openssh.com), read again
 * and compared, then given their name. Connects at first use. Throws what `connectSsh` throws, `E_SSH_NO_SFTP`, `E_PLACE_FOLDER`,
 * `E_PLACE_REFUSED`, `E_PLACE_FULL`, `E_PLACE_EXISTS`, `E_PLACE_MISSING`, `E_PLACE_READ_BACK`, `E_PLACE_CUT`.
 */
export function sftpPlace(host: Host, options: SftpOptions): Place {
  const { name: title, path, cluster, user, port } = options;
  for (const secret of [options.password, options.privateKey]) if (secret) host.mask.add(secret);
  const machine = `${user}@${options.host}:${port}`;
  const where = `the folder ${path} at ${machine}`;
  let session: { readonly ssh: Ssh; readonly files: Promise<SftpFiles> } | undefined;
  const close = (): void => {
    session?.ssh.close();
    session = undefined;
  };
  const connected = async (): Promise<SftpFiles> => {
    if (session === undefined) {
      const ssh = await connectSsh({
        host: options.host, port, user, hostKey: options.hostKey, signal: host.signal, keepaliveMs: KEEPALIVE_MS,
        ...(options.password === undefined ? {} : { password: options.password }), ...(options.privateKey === undefined ? {} : { privateKey: options.privateKey }),
      });
      const answerMs = options.answerMs ?? ANSWER_MS;
      session = { ssh, files: opened(ssh, machine, answerMs).then((sftp) => sftpFiles(sftp, machine, answerMs)) };
    }
    return session.files;
  };
  const call = async <T>(work: (files: SftpFiles) => Promise<T>): Promise<T> => {
    host.signal.throwIfAborted();
    const onAbort = (): void => close();
    host.signal.addEventListener('abort', onAbort, { once: true });
    try {
      return await work(await connected());
    } catch (error) {
      host.signal.throwIfAborted();
      // A session that failed once is not used again.
      if (!(error instanceof FirstlightError) || error.code.startsWith('E_SSH')) close();
      throw explained(error, where, machine);
    } finally {
      host.signal.removeEventListener('abort', onAbort);
    }
  };
  const at = (name: string): string => posix.join(path, name);
  return {
    kind: 'sftp', name: title, where,
    put: (name, file) => call(async (files) => {
      const total = await sizeOf(file);
      await ready(files, path);
      await sweep(host, files, path);
      if (await there(files, at(name))) throw existsProblem(where, name);
      const aside = at(asideName(name));
      try {
        const { pieces, digest } = readPieces(host, file, teller(host, name, 'upload', total));
        await files.write(aside, pieces as AsyncIterable<Buffer>);
        if (await digestOf(files.read(aside, teller(host, name, 'verify', total))) !== digest()) throw readBackProblem(where, name);
        await files.rename(aside, at(name)).catch(async (error: unknown) => {
          throw await there(files, at(name)).catch(() => false) ? existsProblem(where, name) : error;
        });
      } catch (error) {
        await files.remove(aside).catch(() => {});
        throw error;
      }
    }),
    get: (name, file) => call(async (files) => {
      if (!await there(files, at(name))) throw missingProblem(where, name);
      const { size } = await files.stat(at(name));
      await receive(host, file, files.read(at(name)), { bytes: size }, teller(host, name, 'download', size));
    }),
    list: () => call(async (files) => {
      // A look makes nothing; where the folder above is missing, so is the share.
      if (!await there(files, path) && await there(files, posix.dirname(path))) return [];
      return (await files.list(path)).flatMap(({ filename: name, attrs }) => {
        const time = archiveTime(cluster, name);
        return time !== undefined && attrs.isFile() ? [{ name, bytes: attrs.size, at: time }] : [];
      });
    }),
    remove: (name) => call((files) => files.remove(at(name)).catch((error: { code?: unknown }) => {
      if (error.code !== STATUS.noFile) throw error;
    })),
    close: async () => close(),
  };
}

/** A server whose disk hangs lets in all the same. */
async function opened(ssh: Ssh, machine: string, answerMs: number): Promise<SFTPWrapper> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(problem('E_SSH_TIMEOUT', `${machine} did not open SFTP in ${answerMs} ms`, 'Look whether the device is busy or its disk hangs, and run again.')), answerMs);
  });
  return Promise.race([ssh.sftp(), late]).finally(() => clearTimeout(timer));
}

/** The folder itself is made where the one above it is there: a share that is missing altogether is somebody's mistake. */
async function ready(files: SftpFiles, path: string): Promise<void> {
  if (await there(files, path)) return;
  await files.makeFolder(path).catch((error: { code?: unknown }) => {
    throw Object.assign(new Error('no such folder'), { code: error.code === STATUS.denied ? STATUS.denied : STATUS.noFile });
  });
}

async function there(files: SftpFiles, path: string): Promise<boolean> {
  return files.stat(path).then(() => true, (error: { code?: unknown }) => {
    if (error.code === STATUS.noFile) return false;
    throw error;
  });
}

async function sweep(host: Pick<Host, 'clock'>, files: SftpFiles, path: string): Promise<void> {
  for (const { filename, attrs } of await files.list(path)) {
    if (isLeftBehind(filename, attrs.mtime * 1000, host.clock.now())) await files.remove(posix.join(path, filename)).catch(() => {});
  }
}

function explained(error: unknown, where: string, machine: string): Error {
  if (error instanceof FirstlightError) return error;
  const { code, message } = error as { code?: unknown; message: string };
  if (code === STATUS.noFile) return problem('E_PLACE_FOLDER', `${where} is not there`, 'Make it there, or mend the path in cluster.yaml: as that machine shows it over SFTP (DSM begins with the shared folder, /backups/…).', { cause: error });
  if (code === STATUS.denied) return problem('E_PLACE_REFUSED', `${where} refuses`, 'Give that user the right to read and write there.', { cause: error });
  // SFTP has one word for everything else, a full disk among it.
  if (code === STATUS.failure) return problem('E_PLACE_FULL', `${where} failed to do it (${message})`, 'Mostly the disk or the user\'s quota is full: look there, and make room.', { cause: error });
  return problem('E_SSH_CLOSED', `the connection to ${machine} broke: ${message}`, 'Look whether the device is on and in the network, then run again.', { cause: error });
}
