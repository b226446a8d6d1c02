import { z } from 'zod';
import { problem } from '../../lib/errors.ts';
import type { Host } from '../../lib/host.ts';

/** A block device as lsblk tells it, with what hangs below it. `bytes` is its size. */
export type Disk = {
  readonly path: string;
  readonly type: string;
  readonly bytes: number;
  readonly readOnly: boolean;
  readonly removable: boolean;
  readonly transport: string;
  readonly subsystems: string;
  readonly model: string;
  readonly serial: string;
  readonly mountpoints: readonly string[];
  readonly children: readonly Disk[];
};

const COLUMNS = 'NAME,PATH,TYPE,SIZE,RO,RM,HOTPLUG,TRAN,SUBSYSTEMS,MODEL,SERIAL,MOUNTPOINT,MOUNTPOINTS';

// Versions of lsblk differ: numbers or strings, booleans or "0"/"1", columns that are not there, arrays that hold null.
const any = z.unknown().optional();
const row = z.object({
  path: z.string(), size: z.coerce.number(), type: any, ro: any, rm: any, hotplug: any,
  tran: any, subsystems: any, model: any, serial: any, mountpoint: any, mountpoints: any,
  get children() { return z.array(row).optional(); },
});

/** All block devices of this machine, or the one at `path`. Throws `E_LSBLK` where the answer is not understood, `E_NO_PROGRAM`. */
export async function listDisks(host: Host, path?: string): Promise<Disk[]> {
  const args = ['--json', '--bytes', '--paths'];
  const ask = (columns: string): ReturnType<Host['run']> => host.run({
    program: 'lsblk', args: [...args, '--output', columns, ...(path === undefined ? [] : [path])], timeoutMs: 15_000, accept: 'any',
  });
  const answer = await ask(COLUMNS);
  const older = answer.exitCode === 0 ? answer : await ask(COLUMNS.replace(',MOUNTPOINTS', ''));
  const parsed = z.object({ blockdevices: z.array(row) }).safeParse(readJson(older.stdout));
  if (!parsed.success) {
    throw problem('E_LSBLK', `lsblk did not tell about ${path ?? 'the disks'}`, 'Run `lsblk --json` by hand; firstlight needs util-linux 2.34 or newer.', { cause: parsed.error });
  }
  return parsed.data.blockdevices.map(toDisk);
}

function toDisk(found: z.infer<typeof row>): Disk {
  const mounts = [found.mountpoint, ...(Array.isArray(found.mountpoints) ? found.mountpoints : [])];
  return {
    path: found.path, bytes: found.size, type: text(found.type), readOnly: flag(found.ro), removable: flag(found.rm) || flag(found.hotplug),
    transport: text(found.tran), subsystems: text(found.subsystems), model: text(found.model), serial: text(found.serial),
    mountpoints: [...new Set(mounts.map(text).filter((one) => one !== ''))],
    children: (found.children ?? []).map(toDisk),
  };
}

function flag(value: unknown): boolean {
  return value === true || value === 1 || value === '1';
}

function text(value: unknown): string {
  return typeof value === 'string' ? value.trim() : '';
}

function readJson(answer: string): unknown {
  try {
    return JSON.parse(answer);
  } catch {
    return undefined;
  }
}
