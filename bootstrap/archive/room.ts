import { FirstlightError } from '../../lib/errors.ts';
import type { Host } from '../../lib/host.ts';
import type { Step } from '../step.ts';
import type { Snapshot } from './collect/snapshot.ts';
import type { Part } from './pack.ts';
import type { Manifest, MissingPart } from './types.ts';

/** What one run of a backup has in hand: parts by the step that brought them, what could not be had, and the packed archive. */
export type Room = {
  /** What each step that is done told, by its id. */
  readonly told: Map<string, string>;
  readonly parts: Map<string, readonly Part[]>;
  readonly missing: MissingPart[];
  snapshot?: Snapshot;
  git?: Manifest['git'];
  packed?: Packed;
  /** Places that have the archive, and those that don't, with the reason. */
  readonly placed: string[];
  readonly refused: { readonly place: string; readonly error: FirstlightError }[];
};

/** An archive that was written and read back: its name, its file in the scratch folder, bytes, and SHA-256 in hex. */
export type Packed = { readonly name: string; readonly file: string; readonly bytes: number; readonly sha256: string; readonly manifest: Manifest };

/** An empty room. */
export function createRoom(): Room {
  return { told: new Map(), parts: new Map(), missing: [], placed: [], refused: [] };
}

/** What a step brought: parts of the archive, a sentence for people, and what of it could not be had. */
export type Collected = { readonly parts: readonly Part[]; readonly detail: string; readonly missing?: readonly MissingPart[] };

/** What a collecting step is; `optional` names what is missing where it fails: the backup is then made without it, and says so. */
export type Collecting = Pick<Step, 'id' | 'title' | 'needs'> & { readonly optional?: string; readonly collect: (host: Host) => Promise<Collected> };

/** A step that brings parts of the archive into the room. What an optional one can't have is told by an event `backup.missing`. */
export function collectStep(room: Room, { id, title, needs, optional, collect }: Collecting): Step {
  return {
    id, title, needs, part: 'Collect',
    async observe() {
      const told = room.told.get(id);
      return told === undefined ? { state: 'needed', why: 'to be collected' } : { state: 'done', detail: told };
    },
    async act(host) {
      const missing: MissingPart[] = [];
      try {
        const brought = await collect(host);
        room.parts.set(id, brought.parts);
        missing.push(...brought.missing ?? []);
        room.told.set(id, brought.detail);
      } catch (error) {
        host.signal.throwIfAborted();
        if (optional === undefined || !(error instanceof FirstlightError)) throw error;
        missing.push({ part: optional, why: error.message });
        room.told.set(id, `missing: ${error.message}`);
      }
      room.missing.push(...missing);
      for (const { part, why } of missing) host.emit({ code: 'backup.missing', message: `${part} is missing in this backup: ${why}`, data: { part } });
    },
  };
}
