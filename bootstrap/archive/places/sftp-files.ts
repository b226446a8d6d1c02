import type { FileEntryWithStats, SFTPWrapper, Stats } from 'ssh2';
import { problem } from '../../../lib/errors.ts';
import { PIECE } from './transfer.ts';

/** Status codes of SFTP (draft-ietf-secsh-filexfer-02, 7). */
export const STATUS = { noFile: 2, denied: 3, failure: 4 } as const;

/** Requests that wait for their answers at a time: a line with 20 ms there and back still carries 25 MB a second. */
const WINDOW = 16;

/** The files of another machine. Paths are the server's own. What the server refuses is thrown with its status as `code`; a silent one is `E_SSH_TIMEOUT`. */
export type SftpFiles = {
  stat(path: string): Promise<Stats>;
  makeFolder(path: string): Promise<void>;
  list(path: string): Promise<readonly FileEntryWithStats[]>;
  /** Writes a new file (0600) and makes it durable where the server can. */
  write(path: string, pieces: AsyncIterable<Buffer>): Promise<void>;
  read(path: string, each?: (bytes: number) => void): AsyncIterable<Buffer>;
  /** Gives a file a name; OpenSSH refuses one that is taken. */
  rename(from: string, to: string): Promise<void>;
  remove(path: string): Promise<void>;
};

type Answer<T> = (error: Error | undefined | null, value: T) => void;

/** Files over an open SFTP session; an answer may take `answerMs` milliseconds. */
export function sftpFiles(sftp: SFTPWrapper, host: string, answerMs: number): SftpFiles {
  const waiting = new Set<(error: Error) => void>();
  let lost: Error | undefined;
  // What is asked of a session that has ended is never answered.
  sftp.on('error', () => {}).once('close', () => {
    lost = problem('E_SSH_CLOSED', `${host} closed the connection`, 'Look whether the device is on and in the network, then run again.');
    for (const fail of waiting) fail(lost);
  });
  const ask = <T = void>(send: (answer: Answer<T>) => void): Promise<T> => new Promise<T>((resolve, reject) => {
    if (lost) return reject(lost);
    const fail = (error: Error): void => {
      clearTimeout(timer);
      waiting.delete(fail);
      reject(error);
    };
    const timer = setTimeout(() => fail(problem('E_SSH_TIMEOUT', `${host} gave no answer in ${answerMs} ms`, 'Look whether the device is busy or hangs, and run again.')), answerMs);
    waiting.add(fail);
    try {
      send((error, value) => {
        if (error) return fail(error);
        clearTimeout(timer);
        waiting.delete(fail);
        resolve(value);
      });
    } catch (error) {
      fail(error as Error);
    }
  });
  const done = (send: (answer: (error?: Error | null) => void) => void): Promise<void> => ask<void>((answer) => send((error) => answer(error, undefined)));
  const closed = (handle: Buffer): Promise<void> => done((answer) => sftp.close(handle, answer)).catch(() => {});
  const durable = async (handle: Buffer): Promise<void> => {
    // A server without OpenSSH's extension is refused by ssh2 itself, without a status.
    await ask<unknown>((answer) => sftp.ext_openssh_fsync(handle, answer)).catch((error: Error & { code?: unknown }) => {
      if (error.code !== undefined || !/does not support/.test(error.message)) throw error;
    });
  };
  /** As many bytes from `at` as there are, up to a piece: a server may give fewer at a time. */
  const pieceAt = async (handle: Buffer, at: number, length: number): Promise<Buffer> => {
    const buffer = Buffer.alloc(length);
    let have = 0;
    while (have < length) {
      const got = await ask<number>((answer) => sftp.read(handle, buffer, have, length - have, at + have, (error, bytes) => answer(isEnd(error) ? undefined : error, bytes ?? 0)));
      if (got === 0) break;
      have += got;
    }
    return buffer.subarray(0, have);
  };
  return {
    stat: (path) => ask<Stats>((answer) => sftp.stat(path, answer)),
    makeFolder: (path) => done((answer) => sftp.mkdir(path, { mode: 0o700 }, answer)),
    list: (path) => ask((answer: Answer<FileEntryWithStats[]>) => sftp.readdir(path, answer)),
    async write(path, pieces) {
      const handle = await ask<Buffer>((answer) => sftp.open(path, 'wx', { mode: 0o600 }, answer));
      const sent: Promise<void>[] = [];
      let at = 0;
      try {
        for await (const piece of pieces) {
          const position = at;
          const one = done((answer) => sftp.write(handle, piece, 0, piece.length, position, answer));
          one.catch(() => {});
          sent.push(one);
          at += piece.length;
          if (sent.length >= WINDOW) await sent.shift();
        }
        await Promise.all(sent);
        await durable(handle);
      } finally {
        await closed(handle);
      }
    },
    async *read(path, each = () => {}) {
      const { size } = await this.stat(path);
      const handle = await ask<Buffer>((answer) => sftp.open(path, 'r', answer));
      const coming: Promise<Buffer>[] = [];
      let asked = 0;
      let bytes = 0;
      try {
        while (bytes < size) {
          for (; asked < size && coming.length < WINDOW; asked += PIECE) {
            const one = pieceAt(handle, asked, Math.min(PIECE, size - asked));
            one.catch(() => {});
            coming.push(one);
          }
          const piece = await coming.shift();
          if (piece === undefined || piece.length === 0) return;
          bytes += piece.length;
          each(bytes);
          yield piece;
          if (piece.length < PIECE && bytes < size) return;
        }
      } finally {
        await closed(handle);
      }
    },
    rename: (from, to) => done((answer) => sftp.rename(from, to, answer)),
    remove: (path) => done((answer) => sftp.unlink(path, answer)),
  };
}

/** Status 1 says that the file has ended. */
function isEnd(error: Error | undefined | null): boolean {
  return (error as { code?: unknown } | undefined)?.code === 1;
}
