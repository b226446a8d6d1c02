import { cp, mkdir, open, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { identityToRecipient } from 'age-encryption';
import ssh2 from 'ssh2';
import { parse, stringify } from 'yaml';
import { readIfThere, writeWhole } from '../../lib/files.ts';
import type { Host } from '../../lib/host.ts';
import type { Recipient } from '../../nodes/cluster.ts';
import { canaryBlock } from '../kubernetes/volumes/canary.ts';
import { remember } from '../nas/memory.ts';
import { createState } from '../nas/state.ts';
import type { NasOptions } from '../nas/types.ts';
import type { SshPair, WorldKeys } from './keys.ts';

/** A LUN that a NAS holds before the world begins; `claim` (`namespace/name`) is whose data it has, `description` what DSM shows of it. */
export type StateLun = { readonly name: string; readonly uuid: string; readonly bytes: number; readonly claim?: string; readonly description: string };

/**
 * What a world begins with in place of an empty one: what a backup holds, opened. `folder` is the cluster's as it was backed up, `path`
 * where it lies in the repository, `bundle` the repository as a git bundle; `credentials` are the cluster's own, which the world's switch,
 * NAS, git host and vault then take; `identityFile` holds the owner's age identities.
 */
export type WorldState = {
  readonly folder: string;
  readonly path: string;
  readonly bundle?: string;
  readonly identityFile: string;
  readonly credentials: { readonly switchPassword?: string; readonly nasPassword?: string; readonly vaultClientSecret?: string; readonly gitKey?: string; readonly readerKey?: string; readonly clusterIdentity?: string };
  readonly luns: readonly StateLun[];
};

/** Keys of a world whose parts take the real cluster's own passwords and keys; those of machines (host keys) stay `made`. */
export async function keysOfState(made: WorldKeys, { credentials }: WorldState, recipients: readonly Recipient[]): Promise<WorldKeys> {
  const cluster = credentials.clusterIdentity;
  const own = cluster === undefined ? undefined : await identityToRecipient(cluster).catch(() => undefined);
  return {
    ...made,
    age: recipients.map(({ key, role }) => ({ role, recipient: key, identity: key === own ? cluster! : '' })),
    git: credentials.gitKey === undefined ? made.git : pairOf(credentials.gitKey),
    reader: credentials.readerKey === undefined ? made.reader : pairOf(credentials.readerKey),
    switchPassword: credentials.switchPassword ?? made.switchPassword,
    nasPassword: credentials.nasPassword ?? made.nasPassword,
    vaultClientSecret: credentials.vaultClientSecret ?? made.vaultClientSecret,
  };
}

/** Pins of the real machines that are other ones here: images of the real factory, the NAS's certificate, cards, and what was under way. */
const PINS = ['images', 'nas', 'etcd', 'cards', 'cardsSince', 'rebuild', 'restore'];

/** Clones the repository and lays the backed-up cluster's folder over it; gives that folder. The owner's work tree has no part in it. */
export async function copyState(host: Host, state: WorldState, branch: string, target: string): Promise<string> {
  if (state.bundle === undefined) await mkdir(target, { recursive: true });
  else await host.run({ program: 'git', args: ['clone', '--quiet', '--branch', branch, state.bundle, target], cwd: dirname(target), env: { GIT_CONFIG_GLOBAL: '/dev/null', GIT_CONFIG_SYSTEM: '/dev/null' } });
  const folder = join(target, state.path);
  await cp(state.folder, folder, { recursive: true });
  const lock = join(folder, 'firstlight.lock.yaml');
  const text = await readIfThere(lock);
  if (text !== undefined) {
    const pins = (parse(text) ?? {}) as Record<string, unknown>;
    for (const name of PINS) delete pins[name];
    await writeWhole(lock, stringify(pins));
  }
  return folder;
}

/** Fills the folder of a NAS that is not started yet with LUNs that have no target: each a sparse file, with the canary of its claim for data. */
export async function layLuns(options: NasOptions, luns: readonly StateLun[], cluster: string): Promise<void> {
  await mkdir(options.folder, { recursive: true });
  const state = createState(options);
  try {
    for (const { name, uuid, bytes, claim, description } of luns) {
      const file = await open(join(options.folder, `${uuid}.img`), 'wx+', 0o600);
      await file.truncate(bytes);
      if (claim !== undefined) await file.write(canaryBlock({ canary: 1, cluster, claim, count: 1, node: 'the backup', initiator: '' }, 512), 0, 512, 0);
      state.luns.set(uuid, { name, uuid, bytes, description, type: 'BLUN', attributes: [], file, lunId: (state.nextId += 1), blocksWritten: 0 });
    }
    await remember(state, undefined);
  } finally {
    for (const { file } of state.luns.values()) await file.close();
  }
}

/** The text of a file of the backed-up folder. Throws what the file system throws. */
export function stateFile(state: WorldState, name: string): Promise<string> {
  return readFile(join(state.folder, name), 'utf8');
}

function pairOf(key: string): SshPair {
  const parsed = ssh2.utils.parseKey(key);
  const one = Array.isArray(parsed) ? parsed[0] : parsed;
  if (one === undefined || one instanceof Error) throw new TypeError('a key of the credentials cannot be read');
  return { key, line: `${one.type} ${one.getPublicSSH().toString('base64')}` };
}
