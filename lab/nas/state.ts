import { randomUUID } from 'node:crypto';
import { open, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import type { NasCorruption, NasFault, NasOptions, NasRequest } from './types.ts';

/** A LUN and its sparse file. */
export type LunState = {
  readonly lunId: number;
  readonly uuid: string;
  name: string;
  bytes: number;
  readonly type: string;
  readonly description: string;
  readonly attributes: readonly { readonly dev_attrib: string; readonly enable: number }[];
  readonly file: FileHandle;
  blocksWritten: number;
  /** Initiators that wrote and still hold a session, with how many. */
  readonly writers: Set<string>;
};

/** A target's settings. `authType` 0 none, 1 CHAP, 2 mutual; `maxSessions` 0 is without limit. */
export type TargetState = {
  readonly targetId: number;
  name: string;
  iqn: string;
  authType: number;
  user: string;
  password: string;
  mutualUser: string;
  mutualPassword: string;
  maxSessions: number;
  enabled: boolean;
  readonly mapped: { readonly uuid: string; readonly index: number }[];
};

/** An open normal session. `drop` hangs up. */
export type SessionState = { readonly target: TargetState; readonly initiator: string; readonly isid: string; readonly address: string; drop(): void };

/** All a NAS holds, shared by its web API and its iSCSI service. */
export type NasState = {
  readonly options: NasOptions;
  readonly luns: Map<string, LunState>;
  readonly targets: Map<number, TargetState>;
  readonly sessions: Set<SessionState>;
  /** DSM logins by session id, with the token each must send. */
  readonly logins: Map<string, { readonly token: string | undefined }>;
  readonly requests: NasRequest[];
  readonly corruptions: NasCorruption[];
  failedLogins: number;
  fault: NasFault | undefined;
  nextId: number;
};

/** An empty NAS. */
export function createState(options: NasOptions): NasState {
  return {
    options, luns: new Map(), targets: new Map(), sessions: new Set(), logins: new Map(), requests: [], corruptions: [],
    failedLogins: 0, fault: undefined, nextId: 1,
  };
}

/** Adds a LUN with a sparse file of its size. */
export async function addLun(state: NasState, lun: Pick<LunState, 'name' | 'bytes' | 'type' | 'description' | 'attributes'>): Promise<LunState> {
  const uuid = randomUUID();
  const file = await open(join(state.options.folder, `${uuid}.img`), 'wx+', 0o600);
  await file.truncate(lun.bytes);
  const made: LunState = { ...lun, uuid, file, lunId: (state.nextId += 1), blocksWritten: 0, writers: new Set() };
  state.luns.set(uuid, made);
  return made;
}

/** Notes a write: another initiator that wrote before and still holds a session makes it a corruption. */
export function noteWrite(state: NasState, lun: LunState, initiator: string, blocks: number): void {
  lun.blocksWritten += blocks;
  if (lun.writers.has(initiator)) return;
  for (const other of lun.writers) state.corruptions.push({ lun: lun.name, initiators: [other, initiator] });
  lun.writers.add(initiator);
}

/** Takes a session away; an initiator without any session left is no writer any more. */
export function endSession(state: NasState, session: SessionState): void {
  state.sessions.delete(session);
  if ([...state.sessions].some((other) => other.initiator === session.initiator)) return;
  for (const lun of state.luns.values()) lun.writers.delete(session.initiator);
}

/** The LUN behind a target's LUN number (DSM's mapping_index), or undefined. */
export function lunAt(state: NasState, target: TargetState, index: number): LunState | undefined {
  const mapping = target.mapped.find((each) => each.index === index);
  return mapping && state.luns.get(mapping.uuid);
}
