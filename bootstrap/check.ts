import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { located, ManyErrors, type FirstlightError } from '../lib/errors.ts';
import type { Host } from '../lib/host.ts';
import { readLock } from '../lib/lock-file.ts';
import { cardCandidates } from '../nodes/cards/prove.ts';
import { size } from '../nodes/cards/rules.ts';
import type { Gitops } from '../nodes/cluster.ts';
import { observePower } from '../nodes/power.ts';
import { csiFolder } from '../gitops/csi-folder.ts';
import { fluxReport } from '../gitops/flux.ts';
import { openRepository, provePush } from '../gitops/repository.ts';
import { observeStorage, refuse } from '../storage/ensure.ts';
import { requireImageFile, requireVersion } from '../talos/available.ts';
import { placeReport } from './archive/place-look.ts';
import { createLookout } from './boards.ts';
import { claimsReport } from './claims.ts';
import type { Facts } from './facts.ts';
import { withDesk } from './reader.ts';
import { isolationMatters, isolationReport } from './isolation.ts';
import { requireMemory } from './memory.ts';
import { oldCardsReport } from './old-cards.ts';
import type { Step } from './step.ts';
import { switchPassword } from './steps/boards.ts';
import { trustedNas } from './steps/nas-certificate.ts';
import { claimantOf } from './steps/storage.ts';
import { vaultReport } from './steps/vault.ts';

/** The looks of `firstlight check`, as steps that only observe: whatever the cluster declares can be reached and opened from here. */
export function checkSteps(facts: Facts): Step[] {
  const { cluster } = facts;
  const steps: Step[] = [look('credentials', 'Credentials can be decrypted and are complete', async (host) => {
    await facts.credentials(host);
    return 'complete';
  }), cluster.talos.image === undefined ? look('factory', `Image factory ${cluster.talos.factory}`, async (host) => {
    await requireVersion(host, cluster.talos.factory, cluster.talos.version);
    return `has Talos v${cluster.talos.version}`;
  }) : look('image', `Image ${cluster.talos.image}`, async () => {
    await requireImageFile(cluster.talos.image!);
    return 'is there';
  })];
  const { power, reader, nas, gitops, vault, backup } = cluster;
  const port = cluster.nodes.find((node) => node.port !== undefined)?.port;
  steps.push(look('old-cards', 'No board is about with a card from before its rebuild', (host) => oldCardsReport(facts, createLookout(facts), host)));
  if (power && port !== undefined) steps.push(look('switch', `PoE switch ${power.address}`, async (host) => `port ${port} is ${await observePower(host, power, await switchPassword(facts, host), port)}`));
  if (reader) steps.push(look('reader', `Card reader ${reader.user}@${reader.host}`, (host) => withDesk(facts, host, async (desk) => {
    const free = await cardCandidates(host, desk);
    return `runs python3; ${free.length === 0 ? 'no card is in its readers' : `may be cards: ${free.map((one) => `${one.device} (${size(one.bytes)})`).join(', ')}`}`;
  })));
  if (nas) steps.push(look('nas', `NAS ${nas.address}`, async (host) => {
    const { findings, notes } = await observeStorage(host, await trustedNas(host, facts, nas), await facts.credentials(host), claimantOf(facts));
    const warnings = [...notes, ...(nas.https ? [] : ['plain http: the NAS password goes over the network in the clear; set https: true and DSM’s https port'])].map((text) => `; ! ${text}`).join('');
    refuse(findings);
    return (findings.length === 0 ? 'LUNs and targets are there' : `reachable; \`up\` would do: ${findings.map((finding) => finding.message).join('; ')}`) + warnings;
  }));
  if (vault) steps.push(look('vault', `Vault ${new URL(vault.url).host}`, (host) => vaultReport(host, facts, vault)));
  for (const place of backup.places) steps.push(look(`place:${place.name}`, `Backups in ${place.name}`, async (host) => placeReport(host, cluster, place, await facts.credentials(host))));
  if (gitops) steps.push(look('git', `GitOps repository ${gitops.url}`, async (host) => {
    const repository = await openRepository(host, cluster, await facts.credentials(host));
    await provePush(host, repository);
    return `${gitops.branch} is at ${repository.revision.slice(0, 8)}, and the git key may write`;
  }));
  if (gitops && nas) steps.push(look('nas-account', 'Place for the NAS account in the GitOps repository', async (host) => `${await csiFolder(cluster, { folder: await worktree(facts, gitops, host) })}, for ${cluster.name} alone`));
  if (gitops) steps.push(look('flux', 'Version of Flux', async (host) => fluxReport(host, gitops, await worktree(facts, gitops, host), (await readLock(facts.lockFile)).flux)));
  if (gitops) steps.push(look('memory', 'Memory for what the repository runs', async (host) => requireMemory(host, cluster, gitops, await worktree(facts, gitops, host))));
  if (gitops && nas?.luns.some((lun) => lun.claim)) steps.push(look('claims', 'Claims for the NAS’s LUNs', async (host) => claimsReport(host, nas.luns, gitops, await worktree(facts, gitops, host))));
  if (isolationMatters(cluster)) steps.push(look('isolation', 'iSCSI volumes under Talos’s isolation of workloads', async (host) => isolationReport(host, cluster, gitops && await worktree(facts, gitops, host))));
  return steps;
}

/** The owner's work tree where this is one: a mistake is told before it is pushed. Else a clone of what is pushed. */
async function worktree(facts: Facts, gitops: Gitops, host: Host): Promise<string> {
  const { cluster } = facts;
  return existsSync(join(cluster.repository, gitops.path)) ? cluster.repository : (await openRepository(host, cluster, await facts.credentials(host))).folder;
}

/** Runs all looks side by side; one that fails does not stop the others. Throws every failure together (`E_CHECK`). */
export async function runChecks(steps: readonly Step[], host: Host): Promise<void> {
  const faults: FirstlightError[] = [];
  await Promise.all(steps.map(async (step) => {
    const told = { ...host, emit: (event: Parameters<Host['emit']>[0]) => host.emit({ step: step.id, ...event }) };
    told.emit({ code: 'step.started', message: step.title });
    try {
      const seen = await step.observe(told);
      told.emit({ code: 'step.already', message: seen.state === 'done' ? seen.detail : seen.why });
    } catch (error) {
      const fault = located(error, { step: step.id });
      told.emit({ code: 'step.failed', message: fault.message });
      faults.push(fault);
    }
  }));
  host.signal.throwIfAborted();
  if (faults.length > 0) throw new ManyErrors('E_CHECK', `${faults.length} of ${steps.length} checks failed`, 'Mend each; nothing was changed.', faults);
}

function look(id: string, title: string, see: (host: Host) => Promise<string>): Step {
  return { id, part: 'Check', title, needs: [], observe: async (host) => ({ state: 'done', detail: await see(host) }), act: async () => {} };
}
