import { lstat, readdir, readFile, realpath } from 'node:fs/promises';
import { join, sep } from 'node:path';
import { parse, stringify } from 'yaml';
import { gzipTar } from '../tar.ts';

/** A Helm chart: its files by path below its folder, Chart.yaml among them. */
export type Chart = { readonly files: ReadonlyMap<string, Buffer> };

/** What is read of Chart.yaml (helm.sh/docs/topics/charts). */
export type ChartMetadata = {
  readonly name: string;
  readonly version: string;
  readonly dependencies?: readonly { readonly name: string; readonly version?: string; readonly repository?: string }[];
};

/**
 * Reads a chart's folder. Links are followed only inside `root`. `.helmignore` is not honoured: a chart then holds more files, but
 * makes the same objects. Throws what is wrong with it as a chart, or the file system's words.
 */
export async function readChart(folder: string, root = folder): Promise<Chart> {
  const [real, inside] = [await realpath(folder), await realpath(root)];
  if (real !== inside && !real.startsWith(inside + sep)) throw new Error('chart illegally contains content outside the base directory');
  const files = new Map<string, Buffer>();
  const walk = async (below: string): Promise<void> => {
    for (const name of (await readdir(join(real, below))).sort()) {
      const path = below === '' ? name : `${below}/${name}`;
      const target = await realpath(join(real, path));
      if (!target.startsWith(inside + sep)) throw new Error(`chart illegally contains content outside the base directory: ${path}`);
      const found = await lstat(target);
      if (found.isDirectory()) await walk(path);
      else if (found.isFile()) files.set(path, await readFile(target));
    }
  };
  await walk('');
  const chart = { files };
  metadataOf(chart);
  return chart;
}

/** Name, version and dependencies of a chart. Throws where Chart.yaml lacks or is not such. */
export function metadataOf({ files }: Chart): ChartMetadata {
  const text = files.get('Chart.yaml');
  if (!text) throw new Error("no 'Chart.yaml' found");
  const metadata = parse(text.toString()) as Partial<ChartMetadata> | null;
  if (typeof metadata?.name !== 'string') throw new Error('validation: chart.metadata.name is required');
  if (typeof metadata.version !== 'string') throw new Error('validation: chart.metadata.version is required');
  return metadata as ChartMetadata;
}

/** The same chart with entries of Chart.yaml changed. */
export function withMetadata(chart: Chart, change: Readonly<Record<string, unknown>>): Chart {
  const metadata = parse(chart.files.get('Chart.yaml')?.toString() ?? '') as object;
  return withFile(chart, 'Chart.yaml', stringify({ ...metadata, ...change }));
}

/** The same chart with a file more, or another. */
export function withFile(chart: Chart, path: string, text: string): Chart {
  return { files: new Map([...chart.files, [path, Buffer.from(text)]]) };
}

/** The same chart with another below `charts/`, as a dependency that was fetched lies. */
export function withDependency(chart: Chart, dependency: Chart): Chart {
  const { name } = metadataOf(dependency);
  return { files: new Map([...chart.files, ...[...dependency.files].map(([path, data]) => [`charts/${name}/${path}`, data] as const)]) };
}

/** The same chart with build metadata in its version, by which its users see that it changed; as it is where there is none. */
export function withBuild(chart: Chart, parts: readonly string[]): Chart {
  return parts.length === 0 ? chart : withMetadata(chart, { version: `${metadataOf(chart).version.replace(/\+.*/, '')}+${parts.join('.')}` });
}

/** The chart as `helm package` packs it: a tar.gz, all below a folder with the chart's name. The same chart gives the same bytes. */
export function packChart(chart: Chart): Buffer {
  const { name } = metadataOf(chart);
  return gzipTar([...chart.files].map(([path, data]) => ({ name: `${name}/${path}`, data })));
}
