import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { serveConnection } from '../../../lab/nas/iscsi/connection.ts';
import { addLun, createState, type LunState, type NasState, type TargetState } from '../../../lab/nas/state.ts';

/** The lab's iSCSI target alone, without DSM before it; gone at the end of the scope. */
export type LabTarget = {
  readonly state: NasState;
  readonly folder: string;
  /** Adds a target with its LUNs, numbered from 1. */
  add(target: Partial<TargetState> & Pick<TargetState, 'iqn'>, ...luns: readonly LunState[]): TargetState;
  /** Adds a LUN of so many bytes, empty. */
  lun(bytes: number, name?: string): Promise<LunState>;
  [Symbol.asyncDispose](): Promise<void>;
};

/** Starts it at port 3260 of the address; it pings idle sessions as LIO does unless told otherwise. */
export async function openLabTarget(address: string, pingMs?: number): Promise<LabTarget> {
  const folder = mkdtempSync(join(tmpdir(), 'firstlight-target-'));
  const state = createState({ address, dsmPort: 5001, iscsiPort: 3260, account: { user: '', password: '' }, volume: { path: '/volume1', bytes: 1e12 }, folder });
  const serving = new Set<Promise<void>>();
  const server = createServer({ noDelay: true }, (socket) => {
    socket.on('error', () => {});
    const served = serveConnection(state, socket, pingMs).catch(() => void socket.destroy()).finally(() => serving.delete(served));
    serving.add(served);
  }).listen(3260, address);
  await once(server, 'listening');
  return {
    state, folder,
    add(target, ...luns) {
      const made: TargetState = {
        targetId: (state.nextId += 1), name: target.iqn, authType: 0, user: '', password: '', mutualUser: '', mutualPassword: '', maxSessions: 0, enabled: true,
        mapped: luns.map(({ uuid }, at) => ({ uuid, index: at + 1 })), ...target,
      };
      state.targets.set(made.targetId, made);
      return made;
    },
    lun: (bytes, name = 'data') => addLun(state, { name, bytes, type: 'BLUN', description: '', attributes: [] }),
    async [Symbol.asyncDispose]() {
      server.close();
      for (const session of [...state.sessions]) session.drop();
      await Promise.all(serving);
      for (const lun of state.luns.values()) await lun.file.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
