import { Listr, type ListrTask } from 'listr2';
import type { RunEvent } from '../../lib/host.ts';
import type { Step } from '../../bootstrap/step.ts';
import { toolLines } from './tools.ts';
import { duration, progressText, type View } from './view.ts';

type Shown = { readonly step: Step; title: string; note: string; state: 'waiting' | 'running' | 'done' | 'failed'; settle?: (error?: Error) => void; redraw?: () => void };

/**
 * The live list: listr2 draws one task per step and nothing else; each task is a promise that our events settle.
 * It may not handle signals, exit, or end the list at a failure: the runner does that.
 */
export function tasksView(): View {
  const shown = new Map<string, Shown>();
  let drawing: Promise<unknown> = Promise.resolve();
  const told: string[] = [];
  const tools = toolLines((text) => void process.stderr.write(text), true, () => Date.now(), process.stderr.columns);
  return {
    begin(steps) {
      tools.end();
      shown.clear();
      for (const step of steps) shown.set(step.id, { step, title: step.title, note: '', state: 'waiting' });
      const tasks = [...shown.values()].map(task);
      const list = new Listr(tasks, {
        concurrent: true, exitOnError: false, collectErrors: false, registerSignalListeners: false,
        rendererOptions: { collapseErrors: false, showErrorMessage: false, collapseSkips: false, lazy: false },
      });
      drawing = list.run().catch(() => {});
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
    async end() {
      for (const item of shown.values()) item.settle?.(item.state === 'done' ? undefined : new Error('not done'));
      await drawing;
      shown.clear();
      for (const line of told.splice(0)) process.stderr.write(`${line}\n`);
    },
  };
}

function task(item: Shown): ListrTask {
  return {
    title: dim(item.title),
    task: (_context, wrapper) => new Promise<void>((resolve, reject) => {
      item.settle = (error) => (error ? reject(error) : resolve());
      item.redraw = () => { wrapper.title = item.note ? `${item.step.title} ${dim(`· ${item.note}`)}` : item.step.title; };
    }),
  };
}

function apply(item: Shown, event: RunEvent): void {
  const ms = typeof event.data?.['ms'] === 'number' ? duration(event.data['ms']) : '';
  const [text, node] = [event.message ?? '', event.node && event.node !== item.step.node ? `${event.node}: ` : ''];
  if (event.code === 'step.started') item.note = 'looking';
  else if (event.code === 'step.acting') item.note = text;
  else if (event.code.endsWith('.progress')) item.note = `${node}${progressText(event)}`;
  else if (event.code === 'wait.seen') item.note = text;
  else if (event.code === 'step.done') item.note = `${text} (${ms})`;
  else if (event.code === 'step.already') item.note = `${text} (was so)`;
  else if (event.code === 'step.failed' || event.code === 'step.would') item.note = text;
  item.redraw?.();
  if (event.code === 'step.done' || event.code === 'step.already') { item.state = 'done'; item.settle?.(); }
  if (event.code === 'step.failed' || event.code === 'step.would') { item.state = 'failed'; item.settle?.(new Error('failed')); }
}

/** Text that stands back: what waits, and what is said beside a title. */
function dim(text: string): string {
  return `\u001b[2m${text}\u001b[22m`;
}
