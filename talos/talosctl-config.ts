import type { Host } from '../lib/host.ts';
import { talosctl, type Access } from './talosctl.ts';

/** How a config is applied. `fingerprint` pins the certificate that was seen when the board was identified (maintenance mode only). */
export type ApplyOptions = { readonly dryRun?: boolean; readonly fingerprint?: string };

/** What came of it. `changes` is told only by a dry run against a machine that has a config; the diff itself holds secrets and is dropped. */
export type Applied = { readonly summary: string; readonly changes?: boolean };

/**
 * Applies a machine config file (0600, in scratch). talosctl writes its summary on standard error; in maintenance mode it
 * says nothing, and the port closes for some seconds afterwards. Throws `E_TALOS_INVALID_CONFIG`, `E_TALOS_FINGERPRINT`, `E_TALOS_…`.
 */
export async function applyConfig(host: Host, access: Access, configPath: string, options: ApplyOptions = {}): Promise<Applied> {
  const pin = options.fingerprint === undefined || access.mode === 'secure' ? [] : ['--cert-fingerprint', options.fingerprint];
  const { stderr } = await talosctl(host, access, ['apply-config', '-f', configPath, ...(options.dryRun ? ['--dry-run'] : []), ...pin], { timeoutMs: 30_000 });
  return readSummary(stderr, options.dryRun === true);
}

/** Reads the summary of apply-config without its diff. */
export function readSummary(stderr: string, dryRun: boolean): Applied {
  const [head = '', diff] = stderr.split(/^Config diff:\n/m);
  const summary = head.replace(/^Dry run summary:\n/, '').trim();
  return dryRun && diff !== undefined ? { summary, changes: diff.trim() !== 'No changes.' } : { summary };
}
