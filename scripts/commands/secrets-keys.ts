import { join, resolve } from 'node:path';
import { readCredentials } from '../../bootstrap/credentials.ts';
import { createFacts } from '../../bootstrap/facts.ts';
import { rotateEndSteps, rotateSteps, rotationState } from '../../bootstrap/rotate.ts';
import { runSteps } from '../../bootstrap/runner.ts';
import { REKEYED } from '../../gitops/secrets/ages.ts';
import { makeEscrow } from '../../gitops/secrets/escrow.ts';
import { readIdentities, type Identity } from '../../gitops/secrets/identity.ts';
import { proveOpening } from '../../gitops/secrets/opening.ts';
import type { Homelab } from '../../gitops/secrets/homelab.ts';
import type { Splitting } from '../../gitops/secrets/shares.ts';
import { ManyErrors, problem } from '../../lib/errors.ts';
import { readIfThere } from '../../lib/files.ts';
import { withSignal } from '../../lib/host.ts';
import { identityFile } from '../identity.ts';
import { openCluster } from '../open-cluster.ts';
import { provideTools } from '../provide-tools.ts';
import type { Session } from '../session.ts';
import { secretLines } from '../terminal/secret-input.ts';
import { duration } from '../terminal/view.ts';
import { daysOf, oldSecrets } from './secrets.ts';
import { finish, makeReady } from './secrets-change.ts';
import { openDesk } from './secrets-desk.ts';

const PATIENCE_MS = 5 * 60_000;
const JUST_NOW_MS = 60 * 60_000;

/** `firstlight secrets escrow`: `--print FILE [--split 2-of-3]` makes a new offline key; `--verify` proves that each key alone opens everything. */
export async function escrowSecrets(session: Session, _argument: string | undefined, options: Record<string, unknown>): Promise<number> {
  const desk = await openDesk(session);
  if (options['verify']) return verify(session, desk);
  const { host, view } = session;
  if (typeof options['print'] !== 'string') throw problem('E_USAGE_ESCROW', 'neither --print nor --verify was said', 'firstlight secrets escrow --print /dev/shm/escrow.html, or --verify.');
  const split = splitting(options['split']);
  const replace = options['replace'];
  const homelab = await makeReady(session, desk, options['push'] === true);
  const made = await makeEscrow(host, homelab, { page: resolve(options['print']), ...(split ? { split } : {}), ...(typeof replace === 'string' ? { replace } : {}) });
  view.say(`${made.page} holds the new offline key (${made.recipient}), the only place where it is.`);
  const finished = await finish(session, homelab, `Give the homelab a new offline key\n\n${REKEYED}`, made.paths, options['push'] === true);
  host.emit({ code: 'secrets.escrow', data: { ...made, ...finished } });
  view.say('Print it, delete the file, and prove the paper: firstlight secrets escrow --verify');
  return 0;
}

async function verify(session: Session, homelab: Homelab): Promise<number> {
  const { host } = session;
  const identities: Identity[] = [...await readIdentities(await secretLines('The offline key, or its shares (not shown; end with an empty line):', host.signal))];
  for (const identity of identities) host.mask.add(identity.identity);
  const own = await readIfThere(identityFile(session.environment));
  if (own !== undefined) identities.push(...await readIdentities(own));
  for (const cluster of homelab.clusters) {
    const { clusterIdentity } = await readCredentials(host, cluster);
    if (clusterIdentity) identities.push(...await readIdentities(clusterIdentity));
  }
  const openings = await proveOpening(host, homelab, identities);
  for (const one of openings) session.view.say(`${one.faults.length === 0 ? '✔' : '✖'} ${one.name} (${one.role}) alone opens ${one.opened} of ${one.opened + one.faults.length} files`);
  session.host.emit({ code: 'secrets.proven', data: { openings: openings.map(({ name, role, opened, faults: { length } }) => ({ name, role, opened, closed: length })) } });
  const named = new Set(homelab.clusters.flatMap((cluster) => cluster.secrets.recipients.map((one) => one.name)));
  const unproven = [...named].filter((name) => !openings.some((one) => one.name === name));
  const faults = openings.flatMap((one) => one.faults);
  if (unproven.length > 0) faults.push(problem('E_ESCROW_UNPROVEN', `no key was given for ${unproven.join(', ')}`, 'Give it where it is asked for; a key that nobody has should leave secrets.recipients.'));
  if (faults.length > 0) throw new ManyErrors('E_ESCROW', `${faults.length === 1 ? 'one thing is' : `${faults.length} things are`} not proven`, 'Each is told with what to do.', faults);
  return 0;
}

function splitting(text: unknown): Splitting | undefined {
  if (text === undefined) return undefined;
  const found = /^(\d+)-of-(\d+)$/.exec(String(text));
  if (found) return { threshold: Number(found[1]), of: Number(found[2]) };
  throw problem('E_USAGE_SPLIT', `"${String(text)}" is no way to split a key`, 'Say it like --split 2-of-3: any two of three shares open.');
}

/** `firstlight secrets rotate [cluster]`: a new key for the cluster; `--values` lists old values instead. */
export async function rotateSecrets(session: Session, argument: string | undefined, options: Record<string, unknown>): Promise<number> {
  if (options['values']) return oldSecrets(session, daysOf(options), options['json'] === true);
  const cluster = await openCluster(argument);
  if (!cluster.gitops) throw problem('E_GIT_NONE', `cluster ${cluster.name} has no gitops section, so nothing decrypts with its key`, 'Take the recipient out of cluster.yaml by hand and run `firstlight secrets update`.');
  await openDesk(session);
  await provideTools(session, ['talosctl', 'kubectl', 'sops']);
  const { host, view } = session;
  const { underWay, cutOff, since } = await rotationState(host, cluster);
  const fresh = !underWay && since !== undefined && (cutOff || host.clock.now() - Date.parse(since) < JUST_NOW_MS) && options['again'] !== true;
  const journal = session.record(join(cluster.folder, 'runs', new Date(host.clock.now()).toISOString().replace(/[:.]/g, '-')));
  const steps = fresh ? rotateEndSteps(cluster) : rotateSteps(createFacts(cluster, host.scratch), PATIENCE_MS);
  view.begin(steps);
  try {
    host.emit({ code: 'run.started', message: `rotate ${cluster.name}` });
    const result = await runSteps(steps, withSignal(host, host.signal));
    host.emit({ code: 'run.done', data: { ms: result.ms } });
    await view.end();
    host.emit({ code: 'secrets.rotated', data: { cluster: cluster.name, fresh: !fresh } });
    view.say(fresh ? `${cluster.name} got its key ${duration(host.clock.now() - Date.parse(since))} ago; --again makes another.` : `${cluster.name} has a new key, ${duration(result.ms)}. What older commits hold stays readable with the old one: firstlight secrets rotate --values lists what is worth changing.`);
    return 0;
  } finally {
    journal.close();
  }
}
