import { randomUUID } from 'node:crypto';
import { open, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import type { HostState } from './dsm/hosts.ts';
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
  /** DSM 6's masking: only these initiators may log in; undefined for everybody. */
  allowed?: readonly string[];
  readonly mapped: { readonly uuid: string; readonly index: number }[];
};

/** An open normal session. */
export type SessionState = {
  readonly target: TargetState;
  readonly initiator: string;
  readonly isid: string;
  readonly address: string;
  /** The LUNs it wrote, by uuid. */
  readonly wrote: Set<string>;
  /** By LUN: initiators that wrote it while this session was open, and are gone. */
  readonly beside: Map<string, ReadonlySet<string>>;
  /** Hangs up. */
  drop(): void;
};

/** All a NAS holds, shared by its web API and its iSCSI service. */
export type NasState = {
  readonly options: NasOptions;
  readonly luns: Map<string, LunState>;
  readonly targets: Map<number, TargetState>;
  /** DSM 7's masking. */
  readonly hosts: HostState[];
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
    options, luns: new Map(), targets: new Map(), hosts: [], sessions: new Set(), logins: new Map(), requests: [], corruptions: [],
    failedLogins: 0, fault: undefined, nextId: 1,
  };
}

/** Adds a LUN with a sparse file of its size. */
export async function addLun(state: NasState, lun: Pick<LunState, 'name' | 'bytes' | 'type' | 'description' | 'attributes'>): Promise<LunState> {
  const uuid = randomUUID();
  const file = await open(join(state.options.folder, `${uuid}.img`), 'wx+', 0o600);
  await file.truncate(lun.bytes);
  const made: LunState = { ...lun, uuid, file, lunId: (state.nextId += 1), blocksWritten: 0 };
  state.luns.set(uuid, made);
  return made;
}

/** The LUN behind a target's LUN number (DSM's mapping_index), or undefined. */
export function lunAt(state: NasState, target: TargetState, index: number): LunState | undefined {
  const mapping = target.mapped.find((each) => each.index === index);
  return mapping && state.luns.get(mapping.uuid);
}
