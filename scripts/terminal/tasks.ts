import { Listr, ListrLogger, ProcessOutput, type ListrTask } from 'listr2';
import type { RunEvent } from '../../lib/host.ts';
import { toolLines } from './tools.ts';
import { duration, happeningMark, progressText, type Line, type View } from './view.ts';

type Shown = {
  readonly step: Line;
  note: string;
  state: 'waiting' | 'running' | 'done' | 'failed';
  /** Ends the drawn task: as done, as failed, or set aside while a question is asked. */
  settle?: (how: 'done' | 'failed' | 'aside') => void;
  redraw?: () => void;
};

/**
 * The live list on standard error: listr2 draws one task per step and nothing else; each task is a promise that our events
 * settle. It may not handle signals, exit, or end the list at a failure: the runner does that.
 */
export function tasksView(): View {
  const shown = new Map<string, Shown>();
  let drawing: Promise<unknown> = Promise.resolve();
  const told: string[] = [];
  const tools = toolLines((text) => void process.stderr.write(text), true, () => Date.now(), process.stderr.columns);
  const draw = (items: readonly Shown[]): void => {
    // listr2 takes what it calls standard output for its drawing: that is standard error here, where the story goes.
    const logger = new ListrLogger({ useIcons: false, toStderr: [], processOutput: new ProcessOutput(process.stderr, process.stdout) });
    const list = new Listr(items.map(task), {
      concurrent: true, exitOnError: false, collectErrors: false, registerSignalListeners: false, fallbackRendererCondition: false,
      rendererOptions: { collapseErrors: false, showErrorMessage: false, collapseSkips: true, lazy: false, logger },
    });
    drawing = list.run().catch(() => {});
  };
  const unfinished = (): Shown[] => [...shown.values()].filter((item) => item.state === 'waiting' || item.state === 'running');
  return {
    begin(steps) {
      tools.end();
      shown.clear();
      for (const step of steps) shown.set(step.id, { step, note: '', state: 'waiting' });
      draw([...shown.values()]);
    },
    handle(event) {
      if (tools.handle(event)) return;
      const item = event.step === undefined ? undefined : shown.get(event.step);
      if (item) apply(item, event);
    },
    say(line) {
      if (shown.size === 0) process.stderr.write(`${line}\n`);
      else told.push(line);
    },
    async aside(talk) {
      const waiting = unfinished();
      for (const item of waiting) item.settle?.('aside');
      await drawing;
      try {
        return await talk();
      } finally {
        if (waiting.length > 0) draw(waiting);
      }
    },
    async end() {
      for (const item of shown.values()) item.settle?.(item.state === 'done' ? 'done' : 'failed');
      await drawing;
      shown.clear();
      for (const line of told.splice(0)) process.stderr.write(`${line}\n`);
    },
  };
}

function task(item: Shown): ListrTask {
  const title = (): string => (item.note ? `${item.step.title} ${dim(`· ${item.note}`)}` : dim(item.step.title));
  return {
    title: title(),
    task: (_context, wrapper) => new Promise<void>((resolve, reject) => {
      item.settle = (how) => {
        if (how === 'aside') wrapper.skip(title());
        if (how === 'failed') reject(new Error('not done'));
        else resolve();
      };
      item.redraw = () => { wrapper.title = title(); };
      if (item.state === 'done' || item.state === 'failed') item.settle(item.state);
    }),
  };
}

function apply(item: Shown, event: RunEvent): void {
  const ms = typeof event.data?.['ms'] === 'number' ? duration(event.data['ms']) : '';
  const [text, node] = [event.message ?? '', event.node && event.node !== item.step.node ? `${event.node}: ` : ''];
  if (event.code === 'step.started') { item.state = 'running'; item.note = 'looking'; }
  else if (event.code === 'step.acting') item.note = text;
  else if (event.code.endsWith('.progress')) item.note = `${node}${progressText(event)}`;
  else if (event.code === 'wait.seen' || happeningMark(event) !== undefined) item.note = text;
  else if (event.code === 'step.done') item.note = `${text} (${ms})`;
  else if (event.code === 'step.already') item.note = `${text} (was so)`;
  else if (event.code === 'step.failed' || event.code === 'step.would') item.note = text;
  item.redraw?.();
  if (event.code === 'step.done' || event.code === 'step.already') { item.state = 'done'; item.settle?.('done'); }
  if (event.code === 'step.failed' || event.code === 'step.would') { item.state = 'failed'; item.settle?.('failed'); }
}

/** Text that stands back: what waits, and what is said beside a title. */
function dim(text: string): string {
  return `\u001b[2m${text}\u001b[22m`;
}
