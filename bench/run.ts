// Measures how cards are written against the usual ways, and writes bench/RESULTS.md. FIRSTLIGHT_BENCH_ROUNDS (3) rounds, in FIRSTLIGHT_BENCH_DIR (/var/tmp).
// `npm run bench -- ours` measures only firstlight on new cards, one and four, and writes nothing: for work on the writer.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { loadavg } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { makeCards, type Cards } from './cards.ts';
import { makeImage } from './image.ts';
import { measure } from './measure.ts';
import { DD_CMP, DD_CMP_DIRECT, methodsFor, OURS, OURS_FOUR, RAW_READ, RAW_WRITE, type Method } from './methods.ts';
import { report, type Row, type Table } from './report.ts';

const NARROW = process.argv[2] === 'ours';
const ROUNDS = Number(process.env['FIRSTLIGHT_BENCH_ROUNDS'] ?? 3);
const folder = mkdtempSync(join(process.env['FIRSTLIGHT_BENCH_DIR'] ?? '/var/tmp', 'firstlight-bench-'));
const opened: Cards[] = [];
const say = (text: string): void => void process.stderr.write(`${text}\n`);
let stop = (): void => {};
const stopped = new Promise<never>((_, reject) => { stop = () => reject(new Error('stopped')); });
process.once('SIGINT', () => stop()).once('SIGTERM', () => stop());

async function tableOf(title: string, cards: Cards, state: 'new' | 'full', methods: readonly Method[]): Promise<Table> {
  const rows: Row[] = methods.map((method) => ({ name: method.name, taken: [] }));
  for (let round = 1; round <= ROUNDS; round += 1) {
    for (const [index, method] of methods.entries()) {
      cards.prepare(method.cards, state);
      const taken = await Promise.race([measure(method.line(cards.paths)), stopped]);
      rows[index]?.taken.push(taken);
      say(`${title}, round ${round}: ${taken.wall.toFixed(2)} s, CPU ${taken.cpu.toFixed(2)} s, ${taken.mib.toFixed(0)} MiB: ${method.name}`);
    }
  }
  return { title, rows };
}

try {
  const before = loadavg()[0] ?? 0;
  say('Making the image');
  const image = await makeImage(folder);
  const methods = methodsFor(image);
  const only = (...names: string[]): Method[] => methods.filter((method) => names.includes(method.name));
  const ours = only(OURS, OURS_FOUR);
  const plans = NARROW ? [['Loop devices (direct I/O), new cards', 'loop', 'new', ours], ['Files, new cards', 'file', 'new', ours]] as const : [
    ['Loop devices (direct I/O), new cards', 'loop', 'new', methods.filter((method) => ![RAW_READ, RAW_WRITE].includes(method.name))],
    ['Loop devices (direct I/O), cards full of other data', 'loop', 'full', only(OURS, DD_CMP, DD_CMP_DIRECT, RAW_WRITE, RAW_READ)],
    ['Files, new cards', 'file', 'new', [...ours, ...only(DD_CMP)]],
    ['Files, cards full of other data', 'file', 'full', only(OURS, DD_CMP)],
  ] as const;
  const tables: Table[] = [];
  for (const [title, kind, state, chosen] of plans) {
    let cards = opened.find((one) => one.kind === kind);
    if (!cards) {
      cards = makeCards(folder, kind, image.rawBytes);
      if (cards) opened.push(cards);
    }
    if (cards) tables.push(await tableOf(title, cards, state, chosen));
    else say(`${title}: left out, no ${kind} devices here (root is needed)`);
  }
  const text = report({ rounds: ROUNDS, dataMib: image.dataMib, rawBytes: image.rawBytes, tables, load: [before, loadavg()[0] ?? 0] });
  if (!NARROW) writeFileSync(fileURLToPath(new URL('RESULTS.md', import.meta.url)), text);
  process.stdout.write(text);
} finally {
  for (const cards of opened) cards.remove();
  rmSync(folder, { recursive: true, force: true });
}
