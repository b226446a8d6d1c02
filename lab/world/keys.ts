import { randomBytes } from 'node:crypto';
import { generateX25519Identity, identityToRecipient } from 'age-encryption';
import { newSshKey } from '../../lib/ssh-key.ts';
import type { Mask } from '../../lib/masking.ts';
import type { Recipient } from '../../nodes/cluster.ts';

/** An age identity and its recipient. */
export type AgePair = { readonly identity: string; readonly recipient: string };

/** An SSH key: OpenSSH private key, public line (`ssh-ed25519 AAAA…`). */
export type SshPair = { readonly key: string; readonly line: string };

/** Throw-away keys and passwords of one world; every secret is registered with the mask. */
export type WorldKeys = {
  /** One identity for each of the inventory's recipients, in its order. */
  readonly age: readonly (AgePair & { readonly role: Recipient['role'] })[];
  readonly git: SshPair;
  readonly gitHost: SshPair;
  readonly switchHost: SshPair;
  readonly reader: SshPair;
  readonly readerHost: SshPair;
  readonly switchPassword: string;
  readonly nasPassword: string;
  /** Of the service principal that reads the vault. */
  readonly vaultClientSecret: string;
};

/** Makes all keys of a world whose inventory has these recipients; the NAS's password is `nasPassword` where its disks were there before. */
export async function makeKeys(recipients: readonly Recipient[], mask: Mask, nasPassword?: string): Promise<WorldKeys> {
  const age = await Promise.all(recipients.map(async ({ role }) => ({ role, ...await agePair(mask) })));
  return {
    age,
    git: sshPair(mask), gitHost: sshPair(mask), switchHost: sshPair(mask), reader: sshPair(mask), readerHost: sshPair(mask),
    switchPassword: password(mask), nasPassword: password(mask, nasPassword), vaultClientSecret: password(mask),
  };
}

async function agePair(mask: Mask): Promise<AgePair> {
  const identity = await generateX25519Identity();
  mask.add(identity);
  return { identity, recipient: await identityToRecipient(identity) };
}

function sshPair(mask: Mask): SshPair {
  const pair = newSshKey();
  mask.add(pair.private);
  return { key: pair.private, line: pair.public.split(' ').slice(0, 2).join(' ') };
}

function password(mask: Mask, made = randomBytes(15).toString('base64url')): string {
  mask.add(made);
  return made;
}
