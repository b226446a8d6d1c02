import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { reportFiles } from '../../bootstrap/report/files.ts';
import { reportText } from '../../bootstrap/report/text.ts';
import { trendOf } from '../../bootstrap/report/trend.ts';
import type { RehearsalRecord } from '../../bootstrap/report/types.ts';
import { writeWhole } from '../../lib/files.ts';
import type { Cluster } from '../../nodes/cluster.ts';
import type { Session } from '../session.ts';

/** Writes the report's files into a run's folder of the real cluster, says it, and where it is. With `json` the records go to standard output, too. Gives the folder. */
export async function keepReport({ host, view }: Session, cluster: Cluster, records: readonly RehearsalRecord[], json: boolean): Promise<string> {
  const runs = join(cluster.folder, 'runs');
  const { trend, unreadable } = trendOf(cluster.name, await earlier(runs));
  for (const file of unreadable) view.say(`${file} is no report that can be read: it is left out of the trend.`);
  const folder = join(runs, `${records[0]!.at.replace(/[:.]/g, '-')}-${records.length === 1 ? records[0]!.scenario.name : 'all'}`);
  for (const [name, text] of Object.entries(reportFiles(records, trend))) await writeWhole(join(folder, name), host.mask.hide(text));
  if (json) process.stdout.write(`${host.mask.hide(JSON.stringify({ code: 'rehearsal', data: { records, folder } }))}\n`);
  else view.say(host.mask.hide(`\n${reportText(records, trend)}`));
  view.say(`Report: ${join(folder, 'report.html')}`);
  return folder;
}

async function earlier(runs: string): Promise<{ readonly file: string; readonly text: string }[]> {
  const names = (await readdir(runs).catch(() => [])).toSorted();
  const read = await Promise.all(names.map(async (name) => {
    const file = join(runs, name, 'report.json');
    const text = await readFile(file, 'utf8').catch(() => undefined);
    return text === undefined ? [] : [{ file, text }];
  }));
  return read.flat();
}
