import { readFileSync } from 'node:fs';
import { availableParallelism, cpus, release, totalmem } from 'node:os';
import { median, type Taken } from './measure.ts';
import { DD_CMP, OURS, OURS_FOUR } from './methods.ts';

/** All runs of one way to write, on one kind of cards in one state. */
export type Row = { readonly name: string; readonly taken: Taken[] };
export type Table = { readonly title: string; readonly rows: readonly Row[] };

/** What was measured, as Markdown. */
export function report(what: { readonly rounds: number; readonly dataMib: number; readonly rawBytes: number; readonly tables: readonly Table[]; readonly load: readonly number[] }): string {
  return [
    '# How fast cards are written', '',
    'Written by `npm run bench`; all figures are of one run on one machine, the ways to write taking turns. Medians '
      + `of ${what.rounds} rounds; ratios are against \`${DD_CMP}\` in the same table.`, '',
    `Image: ${Math.round(what.rawBytes / 1024 / 1024)} MiB, ${what.dataMib} MiB of them not zeros, as large and as full as a Talos image for a Pi. `
      + 'Wall and CPU (user and system of all processes; not the kernel’s loop threads) are of whole processes, start included. '
      + 'Memory is the sum over the processes that ran at once.', '',
    `Machine: ${machine()}. Load before and after (others used the machine meanwhile where it is above 0): ${what.load.map((one) => one.toFixed(1)).join(' and ')}.`, '',
    ...what.tables.flatMap(tableOf),
    '## Against what was promised', '',
    '| table | wall ≤ 1.0× of dd + cmp | CPU ≤ 1.3× of it | four cards ≤ 1.5× of one | memory ≤ 160 MiB, one / four |',
    '|---|---|---|---|---|',
    ...what.tables.map(verdict), '',
    'Four cards on one disk share its bandwidth: where they are full of other data all of the image is written to each, so that only '
      + 'new cards say something of the one decode. Cards in readers of their own don’t share it.', '',
  ].join('\n');
}

function tableOf(table: Table): string[] {
  const peer = medians(table.rows.find((row) => row.name === DD_CMP));
  return [
    `## ${table.title}`, '',
    '| | wall, s | CPU, s | memory, MiB | wall, × | CPU, × | walls of all rounds |', '|---|---:|---:|---:|---:|---:|---|',
    ...table.rows.map((row) => {
      const own = medians(row);
      const walls = row.taken.map((one) => one.wall.toFixed(1)).join(' ');
      return `| ${row.name.replaceAll('|', '\\|')} | ${own.wall.toFixed(2)} | ${own.cpu.toFixed(2)} | ${own.mib.toFixed(0)} | ${(own.wall / peer.wall).toFixed(2)} | ${(own.cpu / peer.cpu).toFixed(2)} | ${walls} |`;
    }), '',
  ];
}

function verdict(table: Table): string {
  const [one, four, peer] = [OURS, OURS_FOUR, DD_CMP].map((name) => medians(table.rows.find((row) => row.name === name)));
  const cell = (value: number, limit: number, digits: number): string => Number.isNaN(value) ? 'not measured' : `${value.toFixed(digits)} ${value <= limit ? 'met' : '**not met**'}`;
  const ratio = (a: Taken | undefined, b: Taken | undefined, key: keyof Taken): number => (a?.[key] ?? NaN) / (b?.[key] ?? NaN);
  const [ones, fours] = [OURS, OURS_FOUR].map((name) => table.rows.find((row) => row.name === name)?.taken ?? []);
  const rounds = (fours ?? []).map((taken, index) => ratio(taken, ones?.[index], 'wall').toFixed(2)).join(', ');
  return `| ${table.title} | ${cell(ratio(one, peer, 'wall'), 1, 2)} | ${cell(ratio(one, peer, 'cpu'), 1.3, 2)} | ${cell(ratio(four, one, 'wall'), 1.5, 2)}${rounds === '' ? '' : ` (rounds: ${rounds})`} | ${cell(one?.mib ?? NaN, 160, 0)} / ${cell(four?.mib ?? NaN, 160, 0)} |`;
}

function medians(row: Row | undefined): Taken {
  const of = (key: keyof Taken): number => median(row?.taken.map((one) => one[key]) ?? []);
  return { wall: of('wall'), cpu: of('cpu'), mib: of('mib') };
}

function machine(): string {
  const virtual = /^flags.*\bhypervisor\b/m.test(read('/proc/cpuinfo')) ? 'virtual, ' : '';
  const sha = /^flags.*\bsha_ni\b/m.test(read('/proc/cpuinfo')) ? 'with' : 'without';
  return `${virtual}${availableParallelism()} × ${cpus()[0]?.model ?? 'unknown'} (${sha} SHA instructions), ${Math.round(totalmem() / 2 ** 30)} GiB, Linux ${release().split('-')[0]}, Node ${process.version}`;
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
