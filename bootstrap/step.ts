import type { Host } from '../lib/host.ts';

/** What a look at the machines said of a step (tenet 2: the machines are the truth). */
export type Observation =
  | { readonly state: 'done'; readonly detail: string }
  | { readonly state: 'needed'; readonly why: string };

/**
 * One step of a run, as a value. `observe` changes nothing; `act` runs only when something is missing; then `observe`
 * is asked again and must say done. Steps whose `needs` are done run side by side, up to `lane`'s width.
 */
export type Step = {
  readonly id: string;
  readonly title: string;
  /** The part of the road it belongs to, for summaries; steps of one part follow each other. */
  readonly part: string;
  readonly node?: string;
  readonly needs: readonly string[];
  /** Steps of one lane run one at a time (control planes, card readers). */
  readonly lane?: string;
  readonly observe: (host: Host) => Promise<Observation>;
  readonly act: (host: Host) => Promise<void>;
  /** What can't be undone, said before it is done. */
  readonly danger?: string;
};
