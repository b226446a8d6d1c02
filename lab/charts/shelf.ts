import { readFile } from 'node:fs/promises';
import { join, posix } from 'node:path';
import { satisfies } from 'semver';
import { parse } from 'yaml';
import { readChart, withMetadata, type Chart } from './chart.ts';
import { standInChart, type Kinds } from './stand-in.ts';
import { anyVersion, chooseVersion, isConstraint, isOutside } from './versions.ts';

/** A chart asked for: the repository's URL as its owner wrote it, the name below it, the version constraint if any. */
export type ChartRequest = { readonly repository: string; readonly name: string; readonly version: string | undefined };

/** What the lab plays: a chart of its own with the real one's objects, or only with the kinds that it brings, or a note in its place. */
export type PlayedChart = { readonly chart: Chart; readonly version: string; readonly played: 'objects' | 'kinds' | 'note'; readonly remark: string };

/** Why there is no such chart, in Helm's words. */
export type NoChart = { readonly missing: 'name' | 'version' | 'constraint'; readonly message: string };

/** An entry of shelf.yaml. */
type Known = { readonly repositories: readonly string[]; readonly alone?: boolean; readonly modelled: string; readonly versions: Readonly<Record<string, string>> };

const HERE = import.meta.dirname;

/** Looks a chart up as a Helm repository would answer. A name that nobody can know to be wrong gives a note of that name. */
export async function findChart(request: ChartRequest): Promise<PlayedChart | NoChart> {
  const shelf = parse(await readFile(join(HERE, 'shelf.yaml'), 'utf8')) as Record<string, Known>;
  const name = posix.basename(request.name);
  const repository = request.repository.replace(/\/+$/, '');
  const lone = Object.values(shelf).some((known) => known.alone === true && known.repositories.includes(repository));
  const known = Object.hasOwn(shelf, name) ? shelf[name] : undefined;
  const published = known?.repositories.includes(repository) ? Object.keys(known.versions) : undefined;
  if (lone && published === undefined) return { missing: 'name', message: 'no chart name found' };
  if (!isConstraint(request.version)) return { missing: 'constraint', message: `improper constraint: ${request.version}` };
  const version = chooseVersion(published ?? [], request.version) ?? unseen(request.version, published);
  if (version === undefined) return { missing: 'version', message: `no '${name}' chart with version matching '${request.version}' found` };
  if (known && satisfies(version, known.modelled, { includePrerelease: true })) return imitated(name, version, known, published);
  const brings = parse(await readFile(join(HERE, 'kinds.yaml'), 'utf8')) as Record<string, Kinds>;
  if (Object.hasOwn(brings, name)) return { chart: standInChart(name, version, brings[name]), version, played: 'kinds', remark: 'brings its kinds and a note only: none of its programs are here' };
  const why = known ? 'is of a version that the lab has not modelled' : 'is not known in the lab';
  return { chart: standInChart(name, version), version, played: 'note', remark: `${why}: only a note stands for it, none of its objects are made` };
}

/** The charts that are known to be published in a repository: name and versions. */
export async function chartsOf(repository: string): Promise<{ readonly name: string; readonly versions: Readonly<Record<string, string>> }[]> {
  const shelf = parse(await readFile(join(HERE, 'shelf.yaml'), 'utf8')) as Record<string, Known>;
  return Object.entries(shelf).filter(([, known]) => known.repositories.includes(repository.replace(/\/+$/, ''))).map(([name, { versions }]) => ({ name, versions }));
}

/** A version to take for granted: any, or where some were seen, one above or below them all. */
function unseen(constraint: string | undefined, published: readonly string[] | undefined): string | undefined {
  const version = anyVersion(constraint);
  return version !== undefined && (published === undefined || isOutside(version, published)) ? version : undefined;
}

async function imitated(name: string, version: string, known: Known, published: readonly string[] | undefined): Promise<PlayedChart> {
  const appVersion = known.versions[version] ?? Object.values(known.versions)[0];
  const chart = withMetadata(await readChart(join(HERE, name)), { version, ...(appVersion === undefined ? {} : { appVersion }) });
  const seen = published?.includes(version) ? '' : '; nobody looked whether this version is published';
  return { chart, version, played: 'objects', remark: `makes the objects of the real chart, from the lab's own text${seen}` };
}
