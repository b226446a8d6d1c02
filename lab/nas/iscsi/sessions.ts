import type { Socket } from 'node:net';
import type { LunState, NasState, SessionState, TargetState } from '../state.ts';
import type { NasSession } from '../types.ts';
import { status, type Login } from './login.ts';

/** Whether the target takes another session; gives a login status. A session of the same initiator and ISID is replaced (RFC 7143, 6.3.5), any other counts. */
export function crowded(state: NasState, login: Login, target: TargetState): number {
  const others = [...state.sessions].filter((each) => each.target === target && !isSame(each, login));
  return target.maxSessions !== 0 && others.length >= target.maxSessions ? status.tooMany : status.ok;
}

/** Opens a session on the connection, ending the one it replaces. */
export function beginSession(state: NasState, login: Login, target: TargetState, socket: Socket): SessionState {
  for (const old of [...state.sessions]) if (old.target === target && isSame(old, login)) old.drop();
  const session: SessionState = {
    target, initiator: login.initiator, isid: login.isid, address: socket.remoteAddress ?? '', wrote: new Set(), beside: new Map(),
    drop() {
      endSession(state, session);
      socket.destroy();
    },
  };
  state.sessions.add(session);
  return session;
}

/** Takes a session away. Those it leaves behind remember what it wrote: they held the same LUN open meanwhile. */
export function endSession(state: NasState, session: SessionState): void {
  if (!state.sessions.delete(session)) return;
  for (const uuid of session.wrote) {
    for (const other of state.sessions) {
      if (other.initiator === session.initiator || !other.target.mapped.some((each) => each.uuid === uuid)) continue;
      other.beside.set(uuid, new Set([...other.beside.get(uuid) ?? [], session.initiator]));
    }
  }
}

/**
 * Notes a write. Another initiator that wrote this LUN in a session that was open at the same time as this one, whichever came
 * first and whether it is over by now, makes it a corruption: each two initiators are told once for a LUN.
 */
export function noteWrite(state: NasState, session: SessionState, lun: LunState, blocks: number): void {
  lun.blocksWritten += blocks;
  session.wrote.add(lun.uuid);
  const open = [...state.sessions].filter((other) => other.initiator !== session.initiator && other.wrote.has(lun.uuid)).map((other) => other.initiator);
  for (const other of new Set([...open, ...session.beside.get(lun.uuid) ?? []])) {
    const known = state.corruptions.some((each) => each.lun === lun.name && each.initiators.includes(other) && each.initiators.includes(session.initiator));
    if (!known) state.corruptions.push({ lun: lun.name, initiators: [other, session.initiator] });
  }
}

/** The open sessions, for whoever looks at the NAS. */
export function shownSessions(state: NasState): readonly NasSession[] {
  const named = (uuids: Iterable<string>): string[] => [...uuids].flatMap((uuid) => state.luns.get(uuid)?.name ?? []);
  return [...state.sessions].map(({ target, initiator, address, wrote }) => ({
    target: target.iqn, initiator, address, luns: named(target.mapped.map((each) => each.uuid)), wrote: named(wrote),
  }));
}

function isSame(session: SessionState, login: Login): boolean {
  return session.initiator === login.initiator && session.isid === login.isid;
}
