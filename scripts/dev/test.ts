import { globSync, statSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { exitCodeOf } from '../terminal/exit.ts';
import { errorFrame } from '../terminal/frame.ts';
import { HOME } from '../open-cluster.ts';
import { provideTools } from '../provide-tools.ts';
import { openSession } from '../session.ts';
import { createStory } from './test-story.ts';
import { checkTypes, runFile, type Result } from './test-file.ts';

const SIDE_BY_SIDE = 2;
/** Whole rehearsals: first, so that no core waits for them at the end, and with more time. */
const SLOW = join('test', 'rehearsal') + '/';
/** Whole roads that other tests walk in part: left out by `--quick`, which has ten minutes; run at least nightly. */
const LONG = join(SLOW, 'long') + '/';
const MINUTE = 60_000;

const story = createStory((text) => void process.stdout.write(text), () => Date.now());
const results: Result[] = [];

/** The test files below the named folders of `test/` (all unless told), as paths from the checkout's root. */
function findFiles(folders: readonly string[]): string[] {
  const within = folders.length === 0 ? [''] : folders.map((folder) => folder.replace(/^\.?\/*(test\/)?/, '').replace(/\/+$/, ''));
  const found = within.flatMap((folder) => {
    const path = join(HOME, 'test', folder);
    const files = folder.endsWith('.test.ts') ? [path] : globSync(join(path, '**', '*.test.ts'));
    if (files.length === 0 || !statSync(path, { throwIfNoEntry: false })) {
      process.stderr.write(`✖ E_USAGE  there are no tests in test/${folder}\n`);
      process.exit(64);
    }
    return files;
  });
  return [...new Set(found.map((file) => relative(HOME, file)))].sort();
}

/** A file's deadline in minutes, for a busy machine. */
function minutesFor(file: string): number {
  if (file.startsWith(LONG)) return 45;
  return file.startsWith(SLOW) ? 20 : 5;
}

async function runAll(files: readonly string[], signal: AbortSignal): Promise<void> {
  const isSlow = (file: string): boolean => file.startsWith(SLOW);
  const queue = [...files.filter(isSlow), ...files.filter((file) => !isSlow(file))];
  const worker = async (): Promise<void> => {
    for (let file = queue.shift(); file !== undefined && !signal.aborted; file = queue.shift()) {
      story.began(file);
      results.push(story.ended(await runFile(HOME, file, minutesFor(file) * MINUTE, signal)));
    }
  };
  await Promise.all(Array.from({ length: SIDE_BY_SIDE }, worker));
}

const words = process.argv.slice(2);
const found = findFiles(words.filter((word) => word !== '--quick'));
const files = words.includes('--quick') ? found.filter((file) => !file.startsWith(LONG)) : found;
const session = openSession({ plain: true });
const { signal } = session.host;
try {
  process.stdout.write('Outside programs\n');
  await provideTools(session);
  process.stdout.write('Types\n');
  story.began('types');
  results.push(story.ended(await checkTypes(HOME, signal)));
  process.stdout.write(`Tests (${files.length} files${files.length < found.length ? `; ${found.length - files.length} in ${LONG} are left out` : ''})\n`);
  // Programs that tests start as `node` are this Node.
  process.env['PATH'] = `${dirname(process.execPath)}:${process.env['PATH'] ?? ''}`;
  await runAll(files, signal);
} catch (error) {
  process.stderr.write(errorFrame(error, session.host.mask.hide, process.cwd()));
  results.push({ file: 'set-up', passed: 0, failures: [{ name: 'set-up', text: '' }], skipped: 0, ms: 0, output: '' });
  process.exitCode = exitCodeOf(error);
}
await session.close();
story.close(results);
const failed = results.reduce((sum, result) => sum + result.failures.length, 0);
if (signal.aborted) process.exitCode = 130;
else if (failed > 0) process.exitCode ??= 1;
