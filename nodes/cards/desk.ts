import { constants, type Stats } from 'node:fs';
import { open, readFile, realpath, stat } from 'node:fs/promises';
import type { ReadsAt, WritesAt } from '../../lib/file-bytes.ts';
import type { Host } from '../../lib/host.ts';

/** What the system tells of a path, or of what is open. Sizes are bytes, `blocks` are 512 bytes as stored. */
export type Found = {
  readonly kind: 'file' | 'block' | 'other';
  readonly size: number;
  readonly blocks: number;
  readonly dev: number;
  readonly ino: number;
  readonly rdev: number;
};

/** What writing a card needs of an open file. */
export type CardFile = ReadsAt & WritesAt & {
  sync(): Promise<void>;
  /**
   * Where reading would carry every byte over a network: the SHA-256 of what is at a place, or null where all of it is zeros;
   * undefined where the card ends before. At most `BLOCK` bytes.
   */
  digest?(at: number, length: number): Promise<Buffer | null | undefined>;
};

/** A card's file, open on a desk. */
export type DeskFile = CardFile & { stat(): Promise<Found>; close(): Promise<void> };

/** How to open: `exclusive` is O_EXCL (EBUSY where a block device is mounted or held), `direct` goes past the page cache (EINVAL where that can't be). */
export type Opening = { readonly write?: boolean; readonly exclusive?: boolean; readonly direct?: boolean };

/** The machine whose readers the cards are in: this one, or another. Whatever is asked fails with the system's error codes (ENOENT, EACCES…). */
export type Desk = {
  /** What people call a machine that is not this one: `pi@192.168.77.7`. */
  readonly name?: string;
  /** Runs a program of that machine; left out where it is this one. */
  readonly run?: Host['run'];
  realpath(path: string): Promise<string>;
  stat(path: string): Promise<Found>;
  /** The trimmed text of a small file (sysfs), or undefined. */
  fact(path: string): Promise<string | undefined>;
  open(path: string, how?: Opening): Promise<DeskFile>;
};

/** The machine that firstlight runs on. */
export const THIS_DESK: Desk = {
  realpath,
  stat: async (path) => found(await stat(path)),
  fact: (path) => readFile(path, 'utf8').then((text) => text.trim(), () => undefined),
  async open(path, how = {}) {
    if (how.direct && constants.O_DIRECT === undefined) throw Object.assign(new Error('this system has no O_DIRECT'), { code: 'ENOTSUP' });
    const file = await open(path, (how.write ? constants.O_RDWR : constants.O_RDONLY) | (how.exclusive ? constants.O_EXCL : 0) | (how.direct ? constants.O_DIRECT : 0));
    return {
      read: (buffer, offset, length, at) => file.read(buffer, offset, length, at),
      write: (data, offset, length, at) => file.write(data, offset, length, at),
      sync: () => file.sync(),
      stat: async () => found(await file.stat()),
      close: () => file.close(),
    };
  },
};

/** The host whose programs are the desk's. */
export function hostAt(host: Host, desk: Desk): Host {
  return desk.run ? { ...host, run: desk.run } : host;
}

/** A device for people: `/dev/sdb`, or `/dev/sdb of pi@192.168.77.7`. */
export function deviceAt(desk: Desk, device: string): string {
  return desk.name === undefined ? device : `${device} of ${desk.name}`;
}

function found(stats: Stats): Found {
  const { size, blocks, dev, ino, rdev } = stats;
  return { kind: stats.isFile() ? 'file' : stats.isBlockDevice() ? 'block' : 'other', size, blocks, dev, ino, rdev };
}
