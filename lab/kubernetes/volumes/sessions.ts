import { createMask } from '../../../lib/masking.ts';
import { openSession, type HeldSession } from '../../../lib/iscsi/session.ts';
import type { IscsiAddress, MutualChap } from '../../../lib/iscsi/errors.ts';
import { pause } from '../secure-client.ts';

/** Which target, and with whose CHAP; the node's own IQN is added. */
export type TargetLogin = Required<Pick<IscsiAddress, 'portal' | 'iqn'>> & Pick<IscsiAddress, 'user' | 'secret'> & { readonly mutual?: MutualChap };

/** A node's sessions, one per target. */
export type Sessions = {
  /** The session to a target, opened where there is none. Throws `E_ISCSI_…`. */
  to(login: TargetLogin): Promise<HeldSession>;
  /** Logs out of a target, as the last volume on it is unmounted. */
  logOut(login: TargetLogin): Promise<void>;
  /** Ends all: logged out, or dropped as in a power cut. */
  end(how: 'stop' | 'kill'): Promise<void>;
};

type Entry = { current: Promise<HeldSession>; wanted: boolean };

const AGAIN_MS = 1_000;
const DEADLINE_MS = 5_000;

/** The sessions of one initiator from its node's address, kept open: one that breaks is opened again until it is logged out of, as iscsid does. */
export function createSessions(initiator: string, from: string): Sessions {
  const over = new AbortController();
  const host = { signal: over.signal, mask: createMask() };
  const entries = new Map<string, Entry>();
  const open = ({ mutual, ...to }: TargetLogin): Promise<HeldSession> => openSession(host, { ...to, initiator, from }, { deadlineMs: DEADLINE_MS, ...(mutual ? { mutual } : {}) });
  const keep = async (entry: Entry, login: TargetLogin): Promise<void> => {
    for (let session = await entry.current; await session.ended !== undefined;) {
      for (let again: HeldSession | undefined; !again; session = again ?? session) {
        if (!await pause(AGAIN_MS, over.signal) || !entry.wanted) return;
        entry.current = open(login);
        again = await entry.current.catch(() => undefined);
      }
    }
  };
  return {
    to: ({ ...login }) => {
      const key = `${login.portal} ${login.iqn}`;
      const known = entries.get(key);
      if (known) return known.current;
      const entry: Entry = { current: open(login), wanted: true };
      entries.set(key, entry);
      entry.current.catch(() => { if (entries.get(key) === entry) entries.delete(key); });
      keep(entry, login).catch(() => {});
      return entry.current;
    },
    async logOut({ portal, iqn }) {
      const entry = entries.get(`${portal} ${iqn}`);
      if (!entry) return;
      entry.wanted = false;
      entries.delete(`${portal} ${iqn}`);
      await entry.current.then((session) => session.logOut(), () => {});
    },
    async end(how) {
      const all = [...entries.values()];
      entries.clear();
      await Promise.all(all.map(async (entry) => {
        entry.wanted = false;
        await entry.current.then((session) => (how === 'stop' ? session.logOut() : session.drop()), () => {});
      }));
      over.abort();
    },
  };
}
