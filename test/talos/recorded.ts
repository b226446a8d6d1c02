import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** One recorded talosctl call against real Talos 1.11.0 (test/recorded/talos-1.11.0/README.md). */
export type Recorded = { readonly name: string; readonly command: readonly string[]; readonly exitCode: number; readonly stdout: string; readonly stderr: string; readonly note?: string };

export const FILES = ['applied-controlplane-before-bootstrap', 'bootstrapped', 'errors', 'maintenance', 'three-control-planes', 'vm-maintenance', 'vm-running', 'worker'] as const;

/** The finished calls of one recording (events and polls of the long recordings are left out). */
export function recorded(file: (typeof FILES)[number]): readonly Recorded[] {
  const path = join(import.meta.dirname, '..', 'recorded', 'talos-1.11.0', 'cli', `${file}.json`);
  const all = JSON.parse(readFileSync(path, 'utf8')) as readonly Partial<Recorded>[];
  return all.filter((each): each is Recorded => each.command !== undefined && each.exitCode !== undefined && each.stdout !== undefined && each.stderr !== undefined);
}

/** The recorded call of a name; fails the test where there is none. */
export function recording(file: (typeof FILES)[number], name: string): Recorded {
  const found = recorded(file).find((each) => each.name === name);
  if (!found) throw new Error(`no recording “${name}” in ${file}`);
  return found;
}
