import { problem } from '../lib/errors.ts';
import type { Host } from '../lib/host.ts';

/** A version in parts; `text` is `v1.11.0`. */
export type Version = { readonly major: number; readonly minor: number; readonly patch: number; readonly text: string };

/** Reads `1.11.0`, `v1.11.0` or `v1.12.0-beta.1`. Throws `E_VERSION` for anything else. */
export function parseVersion(text: string): Version {
  const match = /^v?(\d+)\.(\d+)\.(\d+)(-[0-9A-Za-z.-]+)?$/.exec(text.trim());
  if (!match) throw problem('E_VERSION', `“${text}” is not a version`, 'Write it as three numbers, for example v1.11.0.');
  const [major, minor, patch] = [Number(match[1]), Number(match[2]), Number(match[3])];
  return { major, minor, patch, text: `v${major}.${minor}.${patch}${match[4] ?? ''}` };
}

/** True when `version` is of the minor release `major.minor` or a later one. */
export function since(version: Version, major: number, minor: number): boolean {
  return version.major > major || (version.major === major && version.minor >= minor);
}

/** The version of the talosctl that the host runs. Throws `E_TALOS_VERSION` when it does not tell, and what `host.run` throws. */
async function talosctlVersion(host: Pick<Host, 'run'>): Promise<Version> {
  const done = await host.run({ program: 'talosctl', args: ['version', '--client', '--short'], timeoutMs: 10_000 });
  const match = /v\d+\.\d+\.\d+\S*/.exec(done.stdout + done.stderr);
  if (!match) throw problem('E_TALOS_VERSION', 'talosctl does not tell its version', 'Run `firstlight tools` to fetch the pinned talosctl.');
  return parseVersion(match[0]);
}

/**
 * Throws `E_TALOS_VERSION` when the host's talosctl is of an older minor release than the cluster's Talos: it would write
 * a config in the older format (siderolabs/talos:pkg/machinery/config/contract.go knows no later versions than its own).
 */
export async function requireTalosctl(host: Pick<Host, 'run'>, talos: string): Promise<void> {
  const wanted = parseVersion(talos);
  const have = await talosctlVersion(host);
  if (since(have, wanted.major, wanted.minor)) return;
  throw problem('E_TALOS_VERSION', `talosctl ${have.text} is older than the cluster's Talos ${wanted.text} and can't write its config`,
    `Pin talosctl ${wanted.text} in tools.lock.yaml and run \`firstlight tools\`, or set talos.version to ${have.text}.`);
}
