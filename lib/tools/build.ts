import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { problem } from '../errors.ts';
import type { Host } from '../host.ts';
import { install, type Shelf } from './cache.ts';
import { prepareEmbedded } from './embedded.ts';
import { runGo, type Go } from './go.ts';
import { fill, type Platform } from './platform.ts';
import type { Build, Pin } from './pins.ts';
import type { Report } from './progress.ts';

/**
 * Builds a tool from its Go module and installs it. An interrupted build goes on from Go's own cache. `kubectl` is the
 * path of one, for a build that needs manifests made. Throws `E_TOOL_BUILD`, or what `Host.run` throws.
 */
export async function installBuild(
  host: Host, shelf: Shelf, pin: Pin, build: Build, platform: Platform, go: Go, report: Report, kubectl?: string,
): Promise<ReadonlyMap<string, string>> {
  const out = shelf.aside(`${pin.tool}-${pin.version}-built`);
  const source = shelf.aside(`${pin.tool}-${pin.version}-source`);
  await rm(out, { recursive: true, force: true });
  await mkdir(out, { recursive: true });
  const withModules = { ...go, environment: environmentFor(go, build, platform) };
  const folder = join(go.modules, build.module);
  const expected = build.cpuSeconds;
  report.going('build', { expected });
  const embedded = build.embedded && await prepareEmbedded(host, withModules, folder, build.embedded, source, kubectl ?? 'kubectl');
  let packages = 0;
  const each = (line: string): void => {
    if (!line.startsWith('go: ')) packages += 1;
    report.going('build', { packages, expected });
  };
  const files = new Map<string, string>();
  for (const binary of pin.binaries) {
    const target = build.packages[binary];
    if (target === undefined) throw problem('E_TOOL_BUILD', `no Go package makes ${binary}`, 'Name it in tools.lock.yaml.');
    const flags = ['-s', '-w', ...build.ldflags.map((flag) => fill(flag, pin, platform))].join(' ');
    const tags = build.tags.length > 0 ? ['-tags', build.tags.join(',')] : [];
    const file = join(out, binary);
    await runGo(host, withModules, embedded ?? folder, ['build', '-v', '-trimpath', ...tags, '-ldflags', flags, '-o', file, target], each);
    files.set(binary, file);
  }
  const paths = await install(shelf, pin, files, 'build', Object.values(build.packages).join(' '));
  await rm(out, { recursive: true, force: true });
  await rm(source, { recursive: true, force: true });
  return paths;
}

function environmentFor(go: Go, build: Build, platform: Platform): Record<string, string> {
  const noSum = [go.environment['GONOSUMDB'], ...build.noSumDatabase].filter(Boolean).join(',');
  return {
    ...go.environment, CGO_ENABLED: '0', GOFLAGS: '-buildvcs=false -mod=readonly', GOWORK: 'off', GOOS: platform.os, GOARCH: platform.arch,
    ...(noSum ? { GONOSUMDB: noSum } : {}),
  };
}
