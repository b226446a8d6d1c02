import { createCipheriv, createDecipheriv, createHash, randomBytes } from 'node:crypto';
import { open, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { writeWhole } from '../../lib/files.ts';
import type { LunState, NasState, TargetState } from './state.ts';
import type { NasCertificate, NasOptions } from './types.ts';

/** What a NAS keeps on its own disks: LUNs, targets with their CHAP secrets, hosts, its certificate. */
type Kept = {
  readonly luns: readonly Omit<LunState, 'file'>[];
  readonly targets: readonly TargetState[];
  readonly hosts: NasState['hosts'];
  readonly nextId: number;
  readonly certificate: NasCertificate | undefined;
};

/** The NAS's memory in its folder. It is encrypted with the account's password: a rehearsal leaves no secret in a plain file. */
function file(options: NasOptions): string {
  return join(options.folder, 'memory');
}

/** Writes what the NAS holds, so that one that is started again in the same folder goes on with it. */
export async function remember(state: NasState, certificate: NasCertificate | undefined): Promise<void> {
  const luns = [...state.luns.values()].map(({ file: _, ...lun }) => lun);
  const kept: Kept = { luns, targets: [...state.targets.values()], hosts: state.hosts, nextId: state.nextId, certificate };
  const nonce = randomBytes(12);
  const cipher = createCipheriv('aes-256-gcm', keyOf(state.options), nonce);
  const sealed = Buffer.concat([cipher.update(JSON.stringify(kept)), cipher.final()]);
  await writeWhole(file(state.options), Buffer.concat([nonce, cipher.getAuthTag(), sealed]), 0o600);
}

/** Fills a fresh state with what was remembered and opens the LUNs' files; gives the certificate. Nothing where nothing was remembered. */
export async function recall(state: NasState): Promise<NasCertificate | undefined> {
  const bytes = await readFile(file(state.options)).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
  if (!bytes) return undefined;
  const decipher = createDecipheriv('aes-256-gcm', keyOf(state.options), bytes.subarray(0, 12)).setAuthTag(bytes.subarray(12, 28));
  const kept = JSON.parse(Buffer.concat([decipher.update(bytes.subarray(28)), decipher.final()]).toString()) as Kept;
  for (const lun of kept.luns) state.luns.set(lun.uuid, { ...lun, file: await open(join(state.options.folder, `${lun.uuid}.img`), 'r+') });
  for (const target of kept.targets) state.targets.set(target.targetId, target);
  state.hosts.push(...kept.hosts);
  state.nextId = kept.nextId;
  return kept.certificate;
}

function keyOf(options: NasOptions): Buffer {
  return createHash('sha256').update(options.account.password).digest();
}
