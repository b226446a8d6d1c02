import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startNas } from '../../lab/nas/nas.ts';
import type { LabNas, NasOptions } from '../../lab/nas/types.ts';
import { FirstlightError } from '../../lib/errors.ts';
import type { Lun, Nas } from '../../nodes/cluster.ts';
import { withDsm, type DsmValue } from '../../storage/dsm/session.ts';
import { observeStorage } from '../../storage/ensure.ts';
import type { Claimant, StorageFinding } from '../../storage/findings.ts';
import type { StorageCredentials } from '../../storage/secrets.ts';
import { z } from 'zod';
import { testHost, type TestHost } from '../support/host.ts';

export const PASSWORD = 'canary-nas-password-7413';
export const SECRET = 'canarychap7413';
export const GIB = 1024 ** 3;
export const LUN: Lun = { name: 'gandalf-data', bytes: 2 * GIB, iqn: 'iqn.2000-01.com.synology:gandalf.data', user: 'gandalf' };
export const credentials = { nasPassword: PASSWORD, chap: { [LUN.name]: SECRET } };

export const claimant: Claimant = { cluster: 'gandalf', nodes: 4, initiators: new Map() };

/** The findings of a look at the NAS. */
export async function findingsOf(host: TestHost, nas: Nas, secrets: StorageCredentials, on: Claimant = claimant): Promise<readonly StorageFinding[]> {
  return (await observeStorage(host, nas, secrets, on)).findings;
}

/** A lab NAS, the cluster file's words for it, and a host; all gone at the end of the scope (`await using`). */
export type Desk = { readonly lab: LabNas; readonly nas: Nas; readonly host: TestHost; [Symbol.asyncDispose](): Promise<void> };

export async function openDesk(address: string, options: Partial<NasOptions> = {}): Promise<Desk> {
  const folder = mkdtempSync(join(tmpdir(), 'firstlight-nas-'));
  const host = testHost();
  const lab = await startNas({
    address, dsmPort: 5001, iscsiPort: 3260, account: { user: 'firstlight', password: PASSWORD }, volume: { path: '/volume1', bytes: 8e12 }, folder, ...options,
  });
  const nas: Nas = {
    address, https: lab.fingerprint !== undefined, port: 5001, ...(lab.fingerprint === undefined ? {} : { certificate: lab.fingerprint }),
    user: 'firstlight', iscsiPort: 3260, volume: '/volume1', luns: [LUN],
  };
  return {
    lab, nas, host,
    async [Symbol.asyncDispose]() {
      await lab.close();
      host.remove();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** The error that a promise ends with; fails when it does not, or with an error that is not ours. */
export async function failure(promise: Promise<unknown>): Promise<FirstlightError> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof FirstlightError) return error;
    throw error;
  }
  throw new Error('nothing failed');
}

/** The methods that changed something on the NAS while `work` went on. */
export async function writesOf(desk: Desk, work: () => Promise<unknown>): Promise<string[]> {
  const before = desk.lab.requests.length;
  await work();
  return desk.lab.requests.slice(before).filter((request) => request.wrote).map((request) => request.method);
}

/** One call of the DSM API as an owner might do it by hand. */
export async function byHand(desk: Desk, api: string, method: string, parameters: Record<string, DsmValue>): Promise<Record<string, unknown>> {
  return await withDsm(desk.host, desk.nas, PASSWORD, (dsm) => dsm.call(`SYNO.Core.ISCSI.${api}`, method, parameters, z.record(z.string(), z.unknown())));
}

/** Every text of an error: code, message, hint, causes, stack. */
export function everyWord(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { code, hint, problems } = error as { code?: unknown; hint?: unknown; problems?: unknown[] };
  return [error.message, error.stack, String(code), String(hint), ...(problems ?? []).map(everyWord), error.cause === undefined ? '' : everyWord(error.cause)].join('\n');
}
