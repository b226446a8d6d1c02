import { execFileSync, spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import type { Host } from '../../../lib/host.ts';

/** Loop devices that stand for cards, and what is done to them; everything goes with `remove`. */
export type BlockCards = {
  /** A loop device over a file. Throws where there are none: ask `canAttach` first. */
  attach(file: string, ...options: string[]): string;
  /** Puts another file under a device, as another card into the same reader. */
  swap(device: string, file: string): void;
  /** Mounts a device at a folder, read-only, so that mounting leaves it as it is, and in a mount namespace of its own. */
  mount(device: string, at: string): Promise<Namespace>;
  remove(): void;
};

/** A mount namespace; `see` makes a host's lsblk look from inside it. */
export type Namespace = { see(host: Host): Host };

/** Whether this system lets us make loop devices and mount them (root, not in every container). */
export function canAttach(file: string): boolean {
  const made = spawnSync('losetup', ['--find', '--show', file], { encoding: 'utf8' });
  if (made.status !== 0) return false;
  spawnSync('losetup', ['--detach', made.stdout.trim()]);
  return spawnSync('unshare', ['--mount', 'true']).status === 0 && spawnSync('mkfs.ext4', ['-V']).status === 0;
}

/** Begins without any device. */
export function blockCards(): BlockCards {
  const loops: string[] = [];
  const keepers: ChildProcess[] = [];
  return {
    attach(file, ...options) {
      const device = execFileSync('losetup', ['--find', '--show', ...options, file], { encoding: 'utf8' }).trim();
      loops.push(device);
      return device;
    },
    swap(device, file) {
      execFileSync('losetup', ['--detach', device]);
      execFileSync('losetup', [device, file]);
    },
    async mount(device, at) {
      const keeper = spawn('unshare', ['--mount', 'sh', '-c', `mount -o ro '${device}' '${at}' && echo mounted && exec cat`], { stdio: ['pipe', 'pipe', 'inherit'] });
      keepers.push(keeper);
      const said = await Promise.race([once(keeper.stdout, 'data').then(String), once(keeper, 'exit').then(() => '')]);
      if (!said.startsWith('mounted')) throw new Error(`${device} could not be mounted at ${at}`);
      return { see: (host) => ({ ...host, run: (command) => host.run({ ...command, program: 'nsenter', args: ['--mount', '--target', String(keeper.pid), command.program, ...command.args] }) }) };
    },
    remove() {
      for (const keeper of keepers.splice(0)) keeper.kill('SIGKILL');
      for (const device of loops.splice(0)) spawnSync('losetup', ['--detach', device]);
    },
  };
}
