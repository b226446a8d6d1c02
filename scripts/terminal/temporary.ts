import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { accessSync, constants, mkdtempSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A private folder (0700) that goes when `remove` is called, or when this process ends in any way, `kill -9` too. */
export type TemporaryFolder = { readonly path: string; remove(): Promise<void> };

// Waits until our end of the pipe closes, then removes; again for a while, since killed programs may still be writing.
const CLEANER = 'read -r _; for i in 1 2 3 4 5; do rm -rf -- "$1"; [ -e "$1" ] || exit 0; sleep 1; done';

/** Makes the folder under `parent` (the system's temporary folder unless told). Throws what the file system throws. */
export function temporaryFolder(name: string, parent = tmpdir()): TemporaryFolder {
  const path = mkdtempSync(join(parent, `firstlight-${name}-`));
  const cleaner = spawn('/bin/sh', ['-c', CLEANER, 'cleaner', path], { stdio: ['pipe', 'ignore', 'ignore'], detached: true });
  cleaner.unref();
  cleaner.stdin.on('error', () => {});
  (cleaner.stdin as unknown as { unref?: () => void }).unref?.();
  return {
    path,
    async remove() {
      await rm(path, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
      cleaner.ref();
      cleaner.stdin.end();
      // A process that becomes another program would keep it as a zombie.
      if (cleaner.exitCode === null && cleaner.signalCode === null) await once(cleaner, 'exit');
    },
  };
}

/** Where files that hold secrets live while a command runs: memory where the system has it. */
export function memoryFolder(): string {
  for (const folder of [process.env['XDG_RUNTIME_DIR'], '/dev/shm']) {
    try {
      if (!folder) continue;
      accessSync(folder, constants.W_OK | constants.X_OK);
      return folder;
    } catch {
      // not here
    }
  }
  return tmpdir();
}
