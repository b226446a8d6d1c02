import { createHash, randomBytes, randomUUID } from 'node:crypto';

const DIGITS = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';

/** A fresh node identity: 32 random bytes in base62, as Talos keeps them in STATE (siderolabs/talos:internal/app/machined/pkg/adapters/cluster/identity.go). */
export function newIdentity(): string {
  let value = BigInt(`0x${randomBytes(32).toString('hex')}`);
  let out = '';
  for (; value > 0n; value /= 62n) out = DIGITS[Number(value % 62n)]! + out;
  return out;
}

/** The 32 hex digits of `/etc/machine-id` for an identity: the first 16 of its bytes. */
export function machineIdOf(identity: string): string {
  let value = 0n;
  for (const digit of identity) value = value * 62n + BigInt(Math.max(0, DIGITS.indexOf(digit)));
  return value.toString(16).padStart(64, '0').slice(0, 32);
}

/** The initiator's name that Talos makes of the machine id (siderolabs/talos:internal/app/machined/pkg/controllers/files/iqn.go). */
export function initiatorName(machineId: string): string {
  return `iqn.2017-11.dev.talos:${machineId}`;
}

/** The hostname of a machine whose config names none: `talos-xxx-yyy`, steady for one identity. */
export function stableHostname(identity: string): string {
  const digest = BigInt(`0x${createHash('sha256').update(identity).digest('hex')}`).toString(36);
  return `talos-${digest.slice(1, 4)}-${digest.slice(4, 7)}`;
}

/** A boot id, as in `/proc/sys/kernel/random/boot_id`. */
export function newBootId(): string {
  return randomUUID();
}
