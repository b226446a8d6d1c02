import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Cluster } from '../../nodes/cluster.ts';
import { DEFAULT_HARDWARE, type Hardware, type Known } from './numbers.ts';

type Line = { readonly at?: string; readonly code?: string; readonly step?: string; readonly data?: Readonly<Record<string, unknown>> };

/**
 * What the owner's hardware takes: by the inventory's `rehearsal.assumptions`, else by the journals of own runs on the real machines (the
 * newest that flashed a card), else by default. `folder` is the cluster's. Journals that can't be read say nothing.
 */
export async function hardwareOf(cluster: Cluster, folder: string): Promise<Hardware> {
  const seen = await fromJournals(folder);
  const said = cluster.rehearsal?.assumptions ?? {};
  const number = (value: number | undefined, seenThere: Known | undefined, fallback: Known): Known => (value === undefined ? seenThere ?? fallback : { value, from: 'cluster.yaml' });
  return {
    cardMBs: number(said.cardMBs, seen.cardMBs, DEFAULT_HARDWARE.cardMBs),
    bootMs: number(said.bootMs, seen.bootMs, DEFAULT_HARDWARE.bootMs),
    pullMs: number(said.pullMs, undefined, DEFAULT_HARDWARE.pullMs),
    handsMs: number(said.handsMs, undefined, DEFAULT_HARDWARE.handsMs),
  };
}

async function fromJournals(folder: string): Promise<Partial<Hardware>> {
  const names = (await readdir(join(folder, 'runs')).catch(() => [])).toSorted().toReversed();
  for (const name of names) {
    const text = await readFile(join(folder, 'runs', name, 'journal.jsonl'), 'utf8').catch(() => undefined);
    const seen = text === undefined ? {} : journalHardware(text);
    if (Object.keys(seen).length > 0) return seen;
  }
  return {};
}

/** What one run's journal tells of the hardware: the rate at which cards were written, the longest boot. */
export function journalHardware(text: string): Partial<Hardware> {
  const lines = text.split('\n').flatMap((line): Line[] => {
    try {
      return line === '' ? [] : [JSON.parse(line) as Line];
    } catch {
      return [];
    }
  });
  const day = lines.find(({ at }) => at !== undefined)?.at?.slice(0, 10);
  if (day === undefined) return {};
  const known = (value: number): Known => ({ value, from: `the run of ${day}`, on: day });
  const rates = lines.filter(({ code }) => code === 'card.progress').flatMap(({ data }) => (typeof data?.['rate'] === 'number' && data['rate'] > 0 ? [data['rate'] / 1e6] : [])).toSorted((a, b) => a - b);
  const boots = lines.filter(({ code, step }) => code === 'step.done' && step?.startsWith('board:')).flatMap(({ data }) => (typeof data?.['ms'] === 'number' ? [data['ms']] : []));
  return {
    ...(rates.length > 0 ? { cardMBs: known(rates[rates.length >> 1]!) } : {}),
    ...(rates.length > 0 && boots.length > 0 ? { bootMs: known(Math.max(...boots)) } : {}),
  };
}
