import { z } from 'zod';
import { RECORD_VERSION, type RehearsalRecord } from './types.ts';

const ms = z.number().nonnegative();
const count = z.int().nonnegative();
const time = z.iso.datetime();
const text = z.string();
const texts = z.array(z.string());

const picture = z.strictObject({
  caption: text,
  nodes: z.array(z.strictObject({
    name: text, role: z.enum(['control plane', 'worker']), address: text, state: z.enum(['ready', 'not ready', 'down', 'new']), note: text, volumes: texts,
  })),
  services: z.array(z.strictObject({
    kind: z.enum(['switch', 'nas', 'git', 'vault']), name: text, state: z.enum(['well', 'damaged', 'gone']), note: text, parts: texts,
  })),
});

const ended = z.discriminatedUnion('end', [
  z.strictObject({ end: z.literal('done') }),
  z.strictObject({ end: z.literal('failure'), code: text, message: text, hint: text, harm: texts }),
]);

const state = { revision: count, objects: count, note: text.exactOptional() };
const given = z.discriminatedUnion('from', [
  z.strictObject({ from: z.literal('archive'), name: text, place: text, sha256: text, at: time, ageMs: ms, ...state }),
  z.strictObject({ from: z.literal('fresh'), ...state }),
]);

const step = z.strictObject({
  id: text, title: text, part: text, node: text.exactOptional(), startMs: ms, ms, end: z.enum(['done', 'already', 'failed', 'skipped']), detail: text,
});

const forecastPart = z.strictObject({
  phase: text, measuredMs: ms, realMs: ms, from: z.enum(['measured here', 'assumption', 'own run']), on: text.exactOptional(), note: text,
});

/** The form of a record, strict: what is not known is a mistake. */
export const rehearsalRecord = z.strictObject({
  version: z.literal(RECORD_VERSION),
  scenario: z.strictObject({ name: text, title: text, story: text, file: text.exactOptional() }),
  cluster: text, at: time, ms,
  verdict: z.enum(['passed', 'failed', 'missed budget']),
  reasons: texts,
  expected: z.discriminatedUnion('end', [
    z.strictObject({ end: z.literal('done') }),
    z.strictObject({ end: z.literal('failure'), code: text, why: text }),
  ]),
  ended,
  world: z.strictObject({ kind: z.enum(['namespace', 'loopback']), proof: texts }),
  given,
  phases: z.array(z.strictObject({ name: text, kind: z.enum(['given', 'disaster', 'recovery', 'judgement']), startMs: ms, ms })),
  steps: z.array(step),
  forecast: z.array(forecastPart),
  rto: z.strictObject({ measuredMs: ms, forecastMs: ms, budgetMs: ms.exactOptional(), met: z.boolean() }).exactOptional(),
  rpo: z.strictObject({ ms, revisions: count, budgetMs: ms.exactOptional(), met: z.boolean() }).exactOptional(),
  pictures: z.strictObject({ before: picture.exactOptional(), during: picture.exactOptional(), after: picture.exactOptional() }),
  objects: z.array(z.strictObject({ kind: text, namespace: text, before: count, after: count })),
  differences: z.array(z.strictObject({ kind: text, namespace: text, name: text, change: z.enum(['lost', 'new', 'changed']), allowed: z.boolean(), why: text })),
  checks: z.array(z.strictObject({ group: text, what: text, expected: text, seen: text, ok: z.boolean() })),
  lost: texts,
  assumptions: z.array(z.strictObject({ what: text, value: text, from: text })),
  versions: z.array(z.strictObject({ what: text, version: text, sha256: text.exactOptional() })),
  repeat: z.strictObject({ command: text, needs: texts }),
}) satisfies z.ZodType<RehearsalRecord>;

/**
 * What of a record every version keeps, so that the trend over earlier runs can be read whatever firstlight wrote them: which
 * scenario of which cluster, when, how it ended, and its two numbers.
 */
export const recordCore = z.looseObject({
  scenario: z.looseObject({ name: text }),
  cluster: text, at: time,
  verdict: z.enum(['passed', 'failed', 'missed budget']),
  rto: z.looseObject({ forecastMs: ms, budgetMs: ms.optional() }).optional(),
  rpo: z.looseObject({ ms }).optional(),
});
