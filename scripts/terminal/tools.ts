import type { RunEvent } from '../../lib/host.ts';
import { bytes } from './view.ts';

/** Shows the events of the tools (`tool.progress`, `tool.note`); `handle` says whether the event was one. */
export type ToolLines = { handle(event: RunEvent): boolean; end(): void };

type Going = { readonly at: number; readonly text: string };

const FOUND_WAYS: Readonly<Record<string, string>> = { path: 'on PATH', cache: 'in the cache', download: 'downloaded', build: 'built with Go' };

/** Where a finished tool came from, in words (`built with Go`). */
export function wayText(way: unknown): string {
  return FOUND_WAYS[String(way)] ?? String(way);
}

/**
 * One line per tool that was downloaded or built (what was there already is not worth one), and what is going on: where
 * `live`, in one last line that is written anew (at most `width` columns); else as a line per tool every ten seconds.
 */
export function toolLines(write: (text: string) => void, live: boolean, now: () => number, width = 100): ToolLines {
  const going = new Map<string, Going>();
  const wipe = live ? '\r\u001b[K' : '';
  const status = (): void => {
    const text = [...going.values()].map((each) => each.text).join('; ');
    if (live) write(`${wipe}${text && `  … ${text}`.slice(0, width - 1)}`);
  };
  const line = (text: string): void => write(`${wipe}  ${text}\n`);
  return {
    handle(event) {
      if (!event.code.startsWith('tool.')) return false;
      const tool = String(event.data?.['tool']);
      if (event.code === 'tool.note') line(`! ${event.message ?? ''}`);
      else if (event.data?.['phase'] === 'done') {
        going.delete(tool);
        const { way, version, seconds } = event.data;
        if (way === 'download' || way === 'build') line(`✔ ${tool} ${String(version)}: ${wayText(way)} in ${String(seconds)} s`);
      } else if (event.data?.['phase'] === 'download' || event.data?.['phase'] === 'build') {
        const text = goingText(tool, event.data);
        const last = going.get(tool);
        const due = last === undefined || now() - last.at >= 10_000;
        going.set(tool, { at: due ? now() : last.at, text });
        if (due && !live) line(`… ${text}`);
      }
      status();
      return true;
    },
    end: () => write(wipe),
  };
}

function goingText(tool: string, data: Readonly<Record<string, unknown>>): string {
  const { bytes: done, total, packages, seconds, expected } = data;
  const size = typeof done !== 'number' ? '' : typeof total === 'number' && total > 0 ? ` ${Math.floor((done / total) * 100)} % of ${bytes(total)}` : ` ${bytes(done)}`;
  const count = typeof packages === 'number' ? ` ${packages} packages,` : '';
  return `${data['phase'] === 'build' ? 'building' : 'fetching'} ${tool}:${size}${count} ${String(seconds)} s${typeof expected === 'number' ? ` of about ${expected}` : ''}`;
}
