import { readdir, readFile } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import type { z } from 'zod';
import { ManyErrors, problem, type FirstlightError } from '../../lib/errors.ts';
import { nearest } from '../../nodes/nearest.ts';
import { readYaml } from '../../nodes/positions.ts';
import { milliseconds } from '../../nodes/schema-rehearsal.ts';
import { scenarioFile } from './schema.ts';
import type { Scenario } from './types.ts';

/**
 * Reads a scenario's file. Throws `E_SCENARIO_FILE` where it can't be read, and ManyErrors `E_SCENARIO` with every mistake in it at
 * once (`E_SCENARIO_YAML`, `E_SCENARIO_KEY`, `E_SCENARIO_VALUE`), each with its place.
 */
export async function loadScenario(file: string): Promise<Scenario> {
  const text = await readFile(file, 'utf8').catch((cause: unknown) => {
    throw problem('E_SCENARIO_FILE', `cannot read ${file}`, 'Check the path and its permissions.', { where: { file }, cause });
  });
  return parseScenario(text, file);
}

/** The same for a text in hand; `file` is named in the mistakes and gives the scenario its name. */
export function parseScenario(text: string, file: string): Scenario {
  const yaml = readYaml(text, file);
  if (yaml.problems.length > 0) throw many(yaml.problems.map((each) => problem('E_SCENARIO_YAML', each.message, each.hint, { where: each.where })), file);
  const read = scenarioFile.safeParse(yaml.data);
  if (!read.success) {
    throw many(read.error.issues.flatMap((issue) => {
      const path = issue.path.filter((key): key is string | number => typeof key !== 'symbol');
      if (issue.code === 'unrecognized_keys') {
        return issue.keys.map((key) => problem('E_SCENARIO_KEY', `${[...path, key].join('.')} is no key of a scenario`, 'The scenarios that firstlight brings show every key.', { where: yaml.place([...path, key], 'key') }));
      }
      return [problem('E_SCENARIO_VALUE', `${path.join('.') || 'the file'}: ${issue.message}`, 'The scenarios that firstlight brings show every key.', { where: yaml.place(path) })];
    }).toSorted((one, other) => (one.where.line ?? 0) - (other.where.line ?? 0)), file);
  }
  return toScenario(read.data, file);
}

/**
 * The scenario of that name: a path to its file, the cluster's own (`machines/<cluster>/scenarios/`), or one that firstlight brings
 * (`shipped` is their folder). Throws `E_SCENARIO_UNKNOWN` with what there is, and as `loadScenario`.
 */
export async function findScenario(name: string, clusterFolder: string, shipped: string): Promise<Scenario> {
  if (/[/\\]|\.ya?ml$/.test(name)) return loadScenario(resolve(name));
  const files = await scenarioFiles(clusterFolder, shipped);
  const file = files.get(name);
  if (file !== undefined) return loadScenario(file);
  const meant = nearest(name, [...files.keys()]);
  throw problem('E_SCENARIO_UNKNOWN', `there is no scenario ${name}`, `${meant === undefined ? '' : `Did you mean ${meant}? `}There are: ${[...files.keys()].join(', ')}.`);
}

/** Every scenario's file by name: those that firstlight brings, then the cluster's own, which go before others of their name. */
export async function scenarioFiles(clusterFolder: string, shipped: string): Promise<ReadonlyMap<string, string>> {
  const found = new Map<string, string>();
  for (const folder of [shipped, join(clusterFolder, 'scenarios')]) {
    const names = await readdir(folder).catch(() => []);
    for (const name of names.filter((each) => /\.ya?ml$/.test(each)).toSorted(inOrder)) found.set(nameOf(name), join(folder, name));
  }
  return found;
}

/** The order in which they are told: from the one node to the whole site, then what has to be refused. */
const ORDER = ['worker-dead', 'control-plane-dead', 'control-plane-dead-no-snapshot', 'all-nodes-dead', 'nas-configuration-lost', 'git-host-lost', 'cluster-key-lost', 'stale-backup', 'wrong-secrets-bundle'];

function inOrder(one: string, other: string): number {
  const [a, b] = [ORDER.indexOf(nameOf(one)), ORDER.indexOf(nameOf(other))];
  return (a < 0 ? ORDER.length : a) - (b < 0 ? ORDER.length : b) || one.localeCompare(other);
}

function toScenario({ title, story, given, disaster, recovery, expect, budget }: z.infer<typeof scenarioFile>, file: string): Scenario {
  const { rebuild, force = false, answers = {} } = recovery;
  return {
    name: nameOf(basename(file)), file, title, story: story.replaceAll(/\s+/g, ' ').trim(), work: given?.work ?? false, disaster,
    recovery: { command: rebuild === undefined ? 'restore' : 'rebuild', ...(rebuild === undefined ? {} : { node: rebuild }), options: force ? { force } : {}, answers },
    expect: expect.fails === undefined ? { end: 'done', objects: expect.objects!, allowed: (expect.allowed ?? []).map(({ kind, namespace, name, why }) => ({ why, ...(kind === undefined ? {} : { kind }), ...(namespace === undefined ? {} : { namespace }), ...(name === undefined ? {} : { name }) })) }
      : { end: 'failure', codes: [expect.fails].flat(), why: expect.because! },
    budget: { ...(budget?.rto === undefined ? {} : { rtoMs: milliseconds(budget.rto) }), ...(budget?.rpo === undefined ? {} : { rpoMs: milliseconds(budget.rpo) }) },
  };
}

function nameOf(file: string): string {
  return file.replace(/\.ya?ml$/, '');
}

function many(problems: readonly FirstlightError[], file: string): ManyErrors {
  return new ManyErrors('E_SCENARIO', `${file} has ${problems.length === 1 ? 'a mistake' : `${problems.length} mistakes`}`, 'Correct the file and run the same command again.', problems);
}
