import type { RunEvent } from '../../lib/host.ts';
import type { RecoveryStep } from '../report/types.ts';
import type { Step } from '../step.ts';

/** Hears the events of one recovery and makes its steps of them. */
export type Listener = {
  begin(steps: readonly Pick<Step, 'id' | 'title' | 'part' | 'node'>[]): void;
  hear(event: RunEvent): void;
  steps(): readonly RecoveryStep[];
  /** What the run did that changes something, by its steps' titles. */
  acted(): readonly string[];
};

/** A listener whose times count from `since` (milliseconds since 1970), by the clock `now`. */
export function listenTo(since: number, now: () => number): Listener {
  const known = new Map<string, Pick<Step, 'id' | 'title' | 'part' | 'node'>>();
  const heard = new Map<string, { id: string; startMs: number; ms: number; end: RecoveryStep['end']; detail: string }>();
  const acted: string[] = [];
  return {
    begin: (steps) => { for (const step of steps) known.set(step.id, step); },
    hear({ code, step: id, message = '' }) {
      if (id === undefined) return;
      const at = now() - since;
      const seen = heard.get(id) ?? { id, startMs: at, ms: 0, end: 'skipped' as const, detail: '' };
      heard.set(id, seen);
      if (code === 'step.acting') acted.push(known.get(id)?.title ?? id);
      if (!/^step\.(done|already|failed)$/.test(code)) return;
      Object.assign(seen, { ms: at - seen.startMs, end: code.slice('step.'.length), detail: message });
    },
    acted: () => acted,
    steps: () => {
      const begun = [...heard.values()].map((each) => told(known.get(each.id), each));
      const never = [...known.values()].filter(({ id }) => !heard.has(id)).map((step) => told(step, { id: step.id, startMs: begun.at(-1)?.startMs ?? 0, ms: 0, end: 'skipped' as const, detail: '' }));
      return [...begun, ...never];
    },
  };
}

function told(step: Pick<Step, 'title' | 'part' | 'node'> | undefined, heard: Pick<RecoveryStep, 'id' | 'startMs' | 'ms' | 'end' | 'detail'>): RecoveryStep {
  return { ...heard, title: step?.title ?? heard.id, part: step?.part ?? 'Other', ...(step?.node === undefined ? {} : { node: step.node }) };
}
