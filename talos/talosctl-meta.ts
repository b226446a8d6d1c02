import type { Host } from '../lib/host.ts';
import { talosctl, type Access } from './talosctl.ts';

/**
 * Writes a key of the machine's META, or deletes it. Talos takes a changed network key over at once. Only with the cluster's
 * talosconfig; in maintenance mode META can only be read (`E_TALOS_UNIMPLEMENTED`). No secrets: the value is in the argv. Throws `E_TALOS_…`.
 */
export async function changeMeta(host: Host, access: Access, key: number, change: { readonly write: string } | 'delete'): Promise<void> {
  const name = `0x${key.toString(16).padStart(2, '0')}`;
  await talosctl(host, access, change === 'delete' ? ['meta', 'delete', name] : ['meta', 'write', name, change.write]);
}
