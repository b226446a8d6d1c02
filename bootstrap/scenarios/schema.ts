import { z } from 'zod';

const words = z.string().trim().min(1);
const length = z.string().regex(/^\d+(\.\d+)?\s*(s|min|h|d)$/, 'a length of time, like 90 s, 25 min, 12 h or 7 d');
const choice = words.describe('A node by its name, or: control plane, worker, worker with volumes, all nodes.');

const blow = z.union([
  z.strictObject({ kill: choice, what: z.enum(['board', 'card', 'both']) }),
  z.strictObject({ lose: z.enum(['nas configuration', 'git host', 'cluster key', 'backups']) }),
  z.strictObject({ swap: z.enum(['secrets bundle']) }),
], { error: 'one of: kill (with what: board, card or both), lose (nas configuration, git host, cluster key, backups), swap (secrets bundle)' });

const recovery = z.strictObject({
  rebuild: choice.optional().describe('The node that firstlight rebuild is called with.'),
  restore: z.literal('newest').optional().describe('firstlight restore with the newest backup.'),
  force: z.boolean().optional().describe('Call it with --force.'),
  answers: z.record(z.string(), z.string()).optional().describe('What the person says, by the code of the question; {cluster} and {node} stand for their names.'),
}).refine((one) => (one.rebuild === undefined) !== (one.restore === undefined), 'exactly one of rebuild and restore');

const allowance = z.strictObject({ kind: words.optional(), namespace: words.optional(), name: words.optional(), why: words })
  .refine((one) => one.kind !== undefined || one.namespace !== undefined || one.name !== undefined, 'a kind, a namespace or a name has to say what');

const expect = z.strictObject({
  fails: z.union([words, z.array(words).min(1)]).optional().describe('The code (or one of the codes) with which the command has to refuse, before any harm.'),
  because: words.optional().describe('Why it has to refuse, in a sentence.'),
  objects: z.enum(['same', 'as in the backup', 'what git makes']).optional().describe('What of Kubernetes has to be there at the end.'),
  allowed: z.array(allowance).optional().describe('What may be another or gone all the same.'),
}).refine((one) => (one.fails === undefined) !== (one.objects === undefined), 'exactly one of fails and objects')
  .refine((one) => one.fails === undefined || one.because !== undefined, 'because: why it has to fail');

/** The form of a scenario's file. Errors name paths, which `loadScenario` turns into places. */
export const scenarioFile = z.strictObject({
  title: words.describe('What happens, in a few words.'),
  story: words.describe('The story, one paragraph for the cluster’s owner.'),
  given: z.strictObject({ work: z.boolean().optional().describe('Work goes on after the backup: it is what a backup can’t bring back.') }).optional(),
  disaster: z.array(blow).describe('What breaks, one blow after another; none for a mistake that only the recovery makes.'),
  recovery,
  expect,
  budget: z.strictObject({ rto: length.optional().describe('In what time the real cluster has to be back.'), rpo: length.optional().describe('How old at most what comes back may be.') }).optional(),
});
