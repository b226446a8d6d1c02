import type { Pin } from './pins.ts';

/** A machine as Go names it. */
export type Platform = { readonly os: string; readonly arch: string };

/** Go's names for a platform, given Node's (`x64`) or Go's own (`amd64`). */
export function goPlatform(platform: Platform): Platform {
  const arch = platform.arch === 'x64' ? 'amd64' : platform.arch === 'ia32' ? '386' : platform.arch;
  return { os: platform.os === 'win32' ? 'windows' : platform.os, arch };
}

/** A template of tools.lock.yaml with `{version}`, `{os}` and `{arch}` filled in. */
export function fill(template: string, pin: Pick<Pin, 'version'>, platform: Platform): string {
  return template.replaceAll('{version}', pin.version).replaceAll('{os}', platform.os).replaceAll('{arch}', platform.arch);
}
