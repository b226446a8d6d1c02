import { isAbort, located, ManyErrors, problem, type FirstlightError } from '../lib/errors.ts';
import { withSignal, type Host } from '../lib/host.ts';
import { checkGraph } from './graph.ts';
import type { Observation, Step } from './step.ts';

/** How a step ended: it was so already, it was done now, or (plan only) it would have to be done. `startedAt` is milliseconds since 1970. */
export type StepEnd = { readonly step: Step; readonly end: 'already' | 'done' | 'would'; readonly detail: string; readonly startedAt: number; readonly ms: number };

/** What a run came to; a failed run throws instead. */
export type RunResult = { readonly steps: readonly StepEnd[]; readonly startedAt: number; readonly ms: number };

/**
 * Walks the steps: each is observed, acted on only where something is missing, and observed again. Steps whose needs are met
 * run side by side, steps of one lane one at a time. The first failure starts nothing new, aborts what runs, waits until it has
 * ended, and is thrown (several true failures together as `E_SEVERAL`). Emits `step.*` events. Throws `E_NOT_PROVEN` where an
 * act changed nothing that can be seen, `E_ABORTED` when the host's signal fires.
 */
export async function runSteps(steps: readonly Step[], host: Host): Promise<RunResult> {
  checkGraph(steps);
  const started = host.clock.now();
  const stop = new AbortController();
  const ended = new Map<string, StepEnd>();
  const running = new Map<string, Promise<void>>();
  const busyLanes = new Set<string>();
  const errors: FirstlightError[] = [];
  const launch = (step: Step): void => {
    if (step.lane) busyLanes.add(step.lane);
    const work = runStep(step, stepHost(host, step, stop.signal))
      .then((end) => void ended.set(step.id, end))
      .catch((error: unknown) => {
        const failure = located(error, { step: step.id, ...(step.node === undefined ? {} : { node: step.node }) });
        const echo = stop.signal.aborted && (isAbort(error) || failure.code === 'E_ABORTED');
        host.emit({ code: 'step.failed', step: step.id, ...(step.node === undefined ? {} : { node: step.node }), message: echo ? 'stopped' : failure.message, data: { error: failure.code, stopped: echo } });
        if (!echo && !errors.some((known) => known.code === failure.code && known.message === failure.message)) errors.push(failure);
        stop.abort();
      })
      .finally(() => {
        running.delete(step.id);
        if (step.lane) busyLanes.delete(step.lane);
      });
    running.set(step.id, work);
  };
  for (;;) {
    if (!stop.signal.aborted && !host.signal.aborted) {
      for (const step of steps) {
        const ready = !ended.has(step.id) && !running.has(step.id) && step.needs.every((need) => ended.has(need));
        if (ready && !(step.lane && busyLanes.has(step.lane))) launch(step);
      }
    }
    if (running.size === 0) break;
    await Promise.race(running.values());
  }
  if (host.signal.aborted) throw problem('E_ABORTED', 'the run was stopped', 'Run the same command again: it observes what is done and goes on from there.');
  if (errors.length === 1) throw errors[0]!;
  if (errors.length > 1) throw new ManyErrors('E_SEVERAL', `${errors.length} steps failed`, 'Mend each of them and run again.', errors);
  return { steps: steps.map((step) => ended.get(step.id)!), startedAt: started, ms: host.clock.now() - started };
}

/**
 * Observes every step, each after those it needs, and acts on none: what is true now, and what a run would do. A step whose
 * look fails says why.
 */
export async function planSteps(steps: readonly Step[], host: Host): Promise<readonly StepEnd[]> {
  checkGraph(steps);
  const byId = new Map(steps.map((step) => [step.id, step]));
  const looks = new Map<string, Promise<StepEnd>>();
  const look = (step: Step): Promise<StepEnd> => {
    const known = looks.get(step.id) ?? Promise.all(step.needs.map((need) => look(byId.get(need)!))).then(() => observeOnly(step, stepHost(host, step, host.signal)));
    looks.set(step.id, known);
    return known;
  };
  return Promise.all(steps.map(look));
}

async function observeOnly(step: Step, host: Host): Promise<StepEnd> {
  const started = host.clock.now();
  host.signal.throwIfAborted();
  host.emit({ code: 'step.started', message: step.title });
  const seen = await step.observe(host).catch((error: unknown): Observation => {
    if (host.signal.aborted) throw error;
    return { state: 'needed', why: located(error, {}).message };
  });
  const ms = host.clock.now() - started;
  const end = seen.state === 'done' ? 'already' : 'would';
  const detail = seen.state === 'done' ? seen.detail : seen.why;
  host.emit({ code: end === 'already' ? 'step.already' : 'step.would', message: detail, data: { ms } });
  return { step, end, detail, startedAt: started, ms };
}

async function runStep(step: Step, host: Host): Promise<StepEnd> {
  const started = host.clock.now();
  host.emit({ code: 'step.started', message: step.title });
  const before = await step.observe(host);
  if (before.state === 'done') {
    const ms = host.clock.now() - started;
    host.emit({ code: 'step.already', message: before.detail, data: { ms } });
    return { step, end: 'already', detail: before.detail, startedAt: started, ms };
  }
  host.signal.throwIfAborted();
  host.emit({ code: 'step.acting', message: before.why, ...(step.danger === undefined ? {} : { data: { danger: step.danger } }) });
  await step.act(host);
  const after = await step.observe(host);
  if (after.state === 'needed') {
    throw problem('E_NOT_PROVEN', `${step.title}: done, yet what was seen afterwards is: ${after.why}`,
      'Something else changes the same thing, or the machine refused in silence; look at it, then run again.');
  }
  const ms = host.clock.now() - started;
  host.emit({ code: 'step.done', message: after.detail, data: { ms } });
  return { step, end: 'done', detail: after.detail, startedAt: started, ms };
}

function stepHost(host: Host, step: Step, signal: AbortSignal): Host {
  const place = { step: step.id, ...(step.node === undefined ? {} : { node: step.node }) };
  const narrowed = withSignal(host, signal);
  return { ...narrowed, emit: (event) => host.emit({ ...place, ...event }) };
}
