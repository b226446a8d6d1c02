import { problem } from '../lib/errors.ts';
import type { Step } from './step.ts';

/** Checks that ids are unique, every need exists and no step needs itself in a circle. Throws `E_STEPS` with the circle. */
export function checkGraph(steps: readonly Step[]): void {
  const byId = new Map(steps.map((step) => [step.id, step]));
  if (byId.size !== steps.length) throw fault('two steps have one id');
  const settled = new Set<string>();
  const visit = (id: string, trail: readonly string[]): void => {
    if (settled.has(id)) return;
    if (trail.includes(id)) throw fault(`steps need each other: ${[...trail.slice(trail.indexOf(id)), id].join(' → ')}`);
    const step = byId.get(id);
    if (!step) throw fault(`step ${trail.at(-1) ?? '?'} needs ${id}, which is not there`);
    for (const need of step.needs) visit(need, [...trail, id]);
    settled.add(id);
  };
  for (const step of steps) visit(step.id, []);
}

function fault(message: string): Error {
  return problem('E_STEPS', message, 'This is a fault of firstlight: please report it.');
}
