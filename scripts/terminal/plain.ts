import type { RunEvent } from '../../lib/host.ts';
import { toolLines } from './tools.ts';
import { duration, happeningMark, progressText, type Line, type View } from './view.ts';

/** One line per happening, for pipes and logs; progress at most every two seconds per place. `now` is milliseconds. */
export function plainView(write: (text: string) => void, now: () => number): View {
  const titles = new Map<string, Line>();
  const shown = new Map<string, number>();
  const started = now();
  const line = (mark: string, text: string): void => write(`${duration(now() - started).padStart(11)}  ${mark} ${text}\n`);
  const tools = toolLines(write, false, now);
  const name = (event: RunEvent): string => titles.get(event.step ?? '')?.title ?? event.step ?? '';
  const dull = (key: string): boolean => {
    const last = shown.get(key);
    if (last !== undefined && now() - last < 2_000) return true;
    shown.set(key, now());
    return false;
  };
  return {
    begin: (steps) => steps.forEach((step) => titles.set(step.id, step)),
    handle(event) {
      if (tools.handle(event)) return;
      const detail = event.message ? `: ${event.message}` : '';
      if (event.code === 'step.acting') line('▸', `${name(event)}${detail}`);
      else if (event.code === 'step.done') line('✔', `${name(event)}${detail}`);
      else if (event.code === 'step.already') line('✔', `${name(event)} (already)${detail}`);
      else if (event.code === 'step.would') line('✗', `${name(event)}${detail}`);
      else if (event.code === 'step.failed') line('✖', `${name(event)}${detail}`);
      else if (event.code === 'wait.seen' && event.message && !dull(`wait ${event.step}`)) line('…', event.message);
      else if (happeningMark(event) !== undefined) line(happeningMark(event)!, event.message ?? '');
      else if (event.code.endsWith('.progress') && !dull(`${event.code} ${event.node}`)) {
        line('…', [name(event) || event.message, event.node, progressText(event)].filter(Boolean).join(': '));
      }
    },
    say: (text) => write(`${text}\n`),
    aside: (talk) => talk(),
    end: async () => {},
  };
}

/** Every event as one JSON line, for programs. */
export function jsonView(write: (text: string) => void, now: () => number): View {
  const put = (event: object): void => write(`${JSON.stringify({ at: new Date(now()).toISOString(), ...event }, (_key, value: unknown) => (typeof value === 'bigint' ? value.toString() : value))}\n`);
  return {
    begin: (steps) => put({ code: 'run.steps', data: { steps: steps.map(({ id, title, node, needs }) => ({ id, title, node, needs })) } }),
    handle: put,
    say: (message) => put({ code: 'say', message }),
    aside: (talk) => talk(),
    end: async () => {},
  };
}
