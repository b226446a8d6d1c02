import { mkdir, mkdtemp, readdir, readFile, realpath, rm, stat } from 'node:fs/promises';
import { join, normalize, sep } from 'node:path';
import { execa } from 'execa';
import { metadataOf, readChart, withDependency, type Chart } from '../../charts/chart.ts';
import { findChart } from '../../charts/shelf.ts';
import type { SourceContext } from './kinds.ts';
import { SourceFailure } from './status.ts';

/** An unpacked source: its chart at a path, and any of its files, both relative to the source's root. */
export type Tree = {
  /** Reads a chart's folder, or a packed one. What its Chart.yaml names and its folder lacks is put below `charts/`. Throws SourceFailure. */
  chart(path: string): Promise<Chart>;
  /** A file, or undefined where there is none inside the source. */
  file(path: string): Promise<Buffer | undefined>;
};

/** Unpacks a source's tar.gz for as long as the work takes. Throws what the work throws. */
export async function withTree<T>({ folder, path, signal }: SourceContext, archive: string, work: (tree: Tree) => Promise<T>): Promise<T> {
  const scratch = await mkdtemp(join(folder, 'tree-'));
  const unpack = async (file: string, target: string): Promise<void> => {
    await mkdir(target);
    await execa('tar', ['-xzf', file, '-C', target], { env: { PATH: path, LC_ALL: 'C' }, extendEnv: false, stdin: 'ignore', cancelSignal: signal });
  };
  try {
    const root = join(scratch, 'source');
    await unpack(archive, root);
    const chart = async (at: string): Promise<Chart> => {
      const place = within(root, at);
      const found = await stat(place).catch(() => undefined);
      if (!found) throw new Error(`stat ${at}: no such file or directory`);
      if (found.isDirectory()) return withMissing(await readChart(place, root), at, chart);
      const packed = await mkdtemp(join(scratch, 'packed-'));
      await unpack(place, join(packed, 'in'));
      return readChart(join(packed, 'in', (await readdir(join(packed, 'in')))[0] ?? ''));
    };
    return await work({
      chart: (at) => chart(at).catch((error: Error) => {
        throw error instanceof SourceFailure ? error : new SourceFailure('InvalidChartReference', `invalid chart reference: ${error.message}`, { stalled: true });
      }),
      file: async (at) => {
        const real = await realpath(within(root, at)).catch(() => undefined);
        return real?.startsWith((await realpath(root)) + sep) ? readFile(real) : undefined;
      },
    });
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

/** A path below the root; what would climb out of it stays at the root, as with securejoin. */
function within(root: string, path: string): string {
  return join(root, normalize(join(sep, path)));
}

/** Adds the dependencies that are not in the chart's folder: those beside it (`file://`), and those of repositories from the lab's shelf. */
async function withMissing(chart: Chart, at: string, beside: (path: string) => Promise<Chart>): Promise<Chart> {
  let whole = chart;
  for (const { name, version, repository = '' } of metadataOf(chart).dependencies ?? []) {
    const here = [...chart.files.keys()].some((file) => file.startsWith(`charts/${name}/`) || (file.startsWith(`charts/${name}-`) && file.endsWith('.tgz')));
    if (here) continue;
    const failed = (message: string): SourceFailure => new SourceFailure('DependencyBuildError', `dependency build error: failed to add dependency '${name}': ${message}`, { condition: 'BuildFailed' });
    if (repository === '') throw failed('no repository is named and it is not in charts/');
    if (repository.startsWith('file://')) {
      whole = withDependency(whole, await beside(join(at, repository.slice('file://'.length))).catch((error: Error) => { throw failed(error.message); }));
      continue;
    }
    const found = await findChart({ repository, name, version });
    if ('missing' in found) throw failed(found.message);
    whole = withDependency(whole, found.chart);
  }
  return whole;
}
