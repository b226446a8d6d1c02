import type { RunEvent } from '../../lib/host.ts';
import type { Step } from '../../bootstrap/step.ts';

/** What is shown of a step: a line of the list. */
export type Line = Pick<Step, 'id' | 'title' | 'node' | 'needs'>;

/** What a person (or a pipe) sees of a run. Views only show: the runner owns order and abort. */
export type View = {
  /** The steps about to be walked, in the order to show them. */
  begin(steps: readonly Line[]): void;
  handle(event: RunEvent): void;
  /** A line of the story outside any step. */
  say(line: string): void;
  /** Sets the drawing aside while a person is talked to. */
  aside<T>(talk: () => Promise<T>): Promise<T>;
  /** Ends the drawing, so that other text may be written; resolves when the last frame is out. */
  end(): Promise<void>;
};

/** The mark of a happening inside a step that a person should see: `!` for trouble that passes, `·` for a change made; undefined for others. */
export function happeningMark(event: RunEvent): '!' | '·' | undefined {
  if (event.message === undefined || event.message === '') return undefined;
  if (/^(card\.stalled|image\.retry|storage\.dsm\.(login-again|logout-failed)|backup\.(missing|refused))$/.test(event.code)) return '!';
  return ['storage.changed', 'archive.pruned', 'backup.verified'].includes(event.code) ? '·' : undefined;
}

/** Seconds with one decimal below a minute, else `1 min 12 s`. */
export function duration(ms: number): string {
  const seconds = ms / 1000;
  if (seconds < 59.95) return `${seconds.toFixed(1)} s`;
  return `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`;
}

/** `1.4 GB`, `32 MB`, `812 B`: powers of ten, as card makers count. */
export function bytes(count: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  let value = count;
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) { value /= 1000; unit += 1; }
  return `${value < 10 && unit > 0 ? value.toFixed(1) : Math.round(value)} ${units[unit]}`;
}

/** The short text of a progress event: phase, share, rate and time left, from `{phase, bytes, total, rate, secondsLeft}`; its message without figures. */
export function progressText(event: RunEvent): string {
  const data = event.data ?? {};
  const number = (key: string): number | undefined => (typeof data[key] === 'number' ? data[key] as number : undefined);
  const [done, total, rate] = [number('bytes'), number('total'), number('rate')];
  const left = number('secondsLeft') ?? (done !== undefined && total !== undefined && rate ? (total - done) / rate : undefined);
  const parts: string[] = [];
  if (typeof data['phase'] === 'string') parts.push(data['phase']);
  if (done !== undefined && total) parts.push(`${Math.floor((done / total) * 100)} %`);
  else if (done !== undefined) parts.push(bytes(done));
  if (rate) parts.push(`${bytes(rate)}/s`);
  if (left !== undefined && left >= 1) parts.push(`${Math.ceil(left)} s left`);
  return parts.join(', ') || (event.message ?? '');
}
