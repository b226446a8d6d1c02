import type { Check, Ending, ExpectedEnd, ObjectDifference, RecoveryPoint, RecoveryTime, Verdict } from '../report/types.ts';
import type { SeenState } from './state.ts';
import type { Scenario } from './types.ts';

/** What was found on a volume when it was mounted the last time after the disaster; `own` says that it was the claim's own data. */
export type FoundVolume = { readonly claim: string; readonly told: string; readonly own: boolean };

/** What a rehearsal's end looks like, for judgement. `voters` are etcd's voting members; `harm` what was changed although the command refused. */
export type Evidence = {
  readonly nodes: readonly string[];
  readonly controlPlanes: readonly string[];
  readonly before: SeenState;
  readonly after?: SeenState;
  readonly voters: readonly string[];
  readonly volumes: readonly FoundVolume[];
  /** Claims that were mounted before the disaster. */
  readonly mounted: readonly string[];
  readonly corruptions: number;
  readonly differences: readonly ObjectDifference[];
};

/** Every check of a scenario that is to end well. */
export function checksOf(scenario: Scenario, evidence: Evidence): readonly Check[] {
  const { expect } = scenario;
  if (expect.end === 'failure') return [];
  const { after } = evidence;
  if (!after) return [check('Kubernetes', 'the API server answers', 'yes', 'no', false)];
  return [...nodeChecks(evidence, after), ...etcdChecks(evidence), ...objectChecks(expect.objects, evidence), ...secretChecks(expect.objects, evidence, after), ...fluxChecks(evidence, after), ...vaultChecks(evidence.before, after), ...volumeChecks(evidence)];
}

/** What a scenario had to be refused with: one of its codes, and nothing touched. */
export function refusalChecks(scenario: Scenario, ended: Ending): readonly Check[] {
  const { expect } = scenario;
  if (expect.end !== 'failure') return [];
  const code = ended.end === 'failure' ? ended.code : 'done';
  const harm = ended.end === 'failure' ? ended.harm : ['the command went through'];
  return [
    check('Refusal', 'the command refuses with', expect.codes.join(' or '), code, expect.codes.includes(code)),
    check('Refusal', 'touched before', 'nothing', harm.length === 0 ? 'nothing' : harm.join('; '), harm.length === 0),
  ];
}

/** The verdict, and why it is not `passed`: a wrong end or a failed check weighs more than a missed budget. */
export function verdictOf(scenario: Scenario, ended: Ending, checks: readonly Check[], rto: RecoveryTime | undefined, rpo: RecoveryPoint | undefined): { readonly verdict: Verdict; readonly reasons: readonly string[] } {
  const reasons: string[] = [];
  if (scenario.expect.end === 'done' && ended.end === 'failure') reasons.push(`The recovery failed with ${ended.code}: ${ended.message}`);
  for (const each of checks) if (!each.ok) reasons.push(`${each.group}: ${each.what}: expected ${each.expected}, seen ${each.seen}.`);
  if (reasons.length > 0) return { verdict: 'failed', reasons };
  if (rto && !rto.met) reasons.push(`The real cluster would be back in ${spoken(rto.forecastMs)}; the budget is ${spoken(rto.budgetMs ?? 0)}.`);
  if (rpo && !rpo.met) reasons.push(`What came back is ${spoken(rpo.ms)} old; the budget is ${spoken(rpo.budgetMs ?? 0)}.`);
  return { verdict: reasons.length > 0 ? 'missed budget' : 'passed', reasons };
}

/** How the scenario has to end, as the report says it. */
export function expectedEnd({ expect }: Scenario): ExpectedEnd {
  return expect.end === 'done' ? { end: 'done' } : { end: 'failure', code: expect.codes.join(' or '), why: `${expect.why.replace(/\.$/, '')}.` };
}

function nodeChecks({ nodes }: Evidence, after: SeenState): Check[] {
  const ready = after.nodes.filter((node) => node.ready).map((node) => node.name).toSorted();
  const ghosts = after.nodes.filter((node) => !nodes.includes(node.name)).map((node) => node.name);
  return [
    check('Nodes', 'Ready', list(nodes.toSorted()), list(ready), nodes.every((name) => ready.includes(name))),
    check('Nodes', 'not declared', 'none', list(ghosts), ghosts.length === 0),
  ];
}

function etcdChecks({ controlPlanes, voters }: Evidence): Check[] {
  return [check('etcd', 'voting members', list(controlPlanes.toSorted()), list(voters.toSorted()), list(controlPlanes.toSorted()) === list(voters.toSorted()))];
}

function objectChecks(expected: 'same' | 'as in the backup' | 'what git makes', { before, differences }: Evidence): Check[] {
  const bad = differences.filter((each) => !each.allowed);
  const named = bad.slice(0, 5).map(({ kind, namespace, name, change }) => `${kind} ${namespace === '' ? '' : `${namespace}/`}${name} ${change}`);
  const words = bad.length === 0 ? 'all there' : `${bad.length} not as they were: ${named.join(', ')}${bad.length > named.length ? ' …' : ''}`;
  if (expected === 'what git makes') return [];
  return [check('Objects', expected === 'same' ? `${before.objects.length} objects as before the disaster` : `${before.objects.length} objects as the backup knows them`, 'all there', words, bad.length === 0)];
}

function secretChecks(expected: 'same' | 'as in the backup' | 'what git makes', { before, differences }: Evidence, after: SeenState): Check[] {
  const secrets = after.objects.filter(({ kind }) => kind === 'Secret').length;
  const bad = differences.filter(({ kind, allowed }) => kind === 'Secret' && !allowed);
  const had = before.objects.filter(({ kind }) => kind === 'Secret').length;
  if (expected === 'what git makes') return [check('Secrets', 'decrypted by the API server', 'some', String(secrets), secrets > 0)];
  return [check('Secrets', 'decrypted by the API server, with the values of before', `${had}, or those of the backup`, bad.length === 0 ? String(secrets) : `${secrets}, ${bad.length} of them lost or with another value`, bad.length === 0 && secrets > 0)];
}

function fluxChecks({ before }: Evidence, after: SeenState): Check[] {
  if (before.kustomizations.length === 0) return [];
  const names = before.kustomizations.map((each) => each.name).toSorted();
  const ready = after.kustomizations.filter((each) => each.ready && !each.suspended);
  const waiting = after.kustomizations.filter((each) => !each.ready || each.suspended).map((each) => `${each.name}: ${each.suspended ? 'suspended' : each.message}`);
  return [check('Flux', 'Kustomizations Ready', String(names.length), waiting.length === 0 ? String(ready.length) : `${ready.length}; ${waiting.join('; ')}`, waiting.length === 0 && names.every((name) => ready.some((each) => each.name === name)))];
}

function vaultChecks(before: SeenState, after: SeenState): Check[] {
  if (before.externalSecrets.length === 0) return [];
  const waiting = after.externalSecrets.filter((each) => !each.ready).map((each) => `${each.name}: ${each.message}`);
  const count = after.externalSecrets.length;
  return [check('Vault', 'secrets synced with the cluster’s credentials', String(before.externalSecrets.length), waiting.length === 0 ? String(count) : waiting.join('; '), waiting.length === 0 && count >= before.externalSecrets.length)];
}

function volumeChecks({ volumes, mounted, corruptions }: Evidence): Check[] {
  if (mounted.length === 0) return [];
  return [
    ...mounted.map((claim) => {
      const found = volumes.find((each) => each.claim === claim);
      return check('Volumes', `canary of ${claim}`, 'its own data, read back', found?.told ?? 'not mounted again', found?.own === true);
    }),
    check('Volumes', 'LUNs written by two machines at once', 'none', corruptions === 0 ? 'none' : String(corruptions), corruptions === 0),
  ];
}

function check(group: string, what: string, expected: string, seen: string, ok: boolean): Check {
  return { group, what, expected, seen, ok };
}

function list(names: readonly string[]): string {
  return names.length === 0 ? 'none' : names.join(', ');
}

function spoken(ms: number): string {
  if (ms < 90_000) return `${Math.round(ms / 1000)} s`;
  return ms < 2 * 3_600_000 ? `${Math.round(ms / 60_000)} min` : `${(ms / 3_600_000).toFixed(1)} h`;
}
