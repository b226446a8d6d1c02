import { problem } from '../../lib/errors.ts';
import { kubeconfigStep } from '../steps/kubernetes.ts';
import { boardStep, powerStep } from '../steps/boards.ts';
import { configStep } from '../steps/config.ts';
import { imageSteps } from '../steps/image.ts';
import { initiatorStep } from '../steps/initiators.ts';
import { certificateIsOpen, nasCertificateStep } from '../steps/nas-certificate.ts';
import { bundleStep, credentialsStep } from '../steps/secrets.ts';
import { storageProofStep, storageStep } from '../steps/storage.ts';
import { claimsStep } from '../steps/volumes.ts';
import type { Step } from '../step.ts';
import { cardStep } from './card.ts';
import { incarnationOf } from './incarnation.ts';
import { otherControlPlanes, type Rebuild } from './rebuild-of.ts';
import { sessionsStep } from './sessions.ts';
import { volumesBackStep } from './volumes.ts';

/** What has to be at hand before anything is touched: secrets, the NAS's certificate, the image. Each way waits for all of it. */
export function preparation({ facts }: Pick<Rebuild, 'facts'>): Step[] {
  const { nas } = facts.cluster;
  return [bundleStep(facts), credentialsStep(facts), ...(nas && certificateIsOpen(nas) ? [nasCertificateStep(facts, nas)] : []), ...imageSteps(facts)];
}

/** The API server, by way of the control planes that are not rebuilt. */
export function apiStep(rebuild: Rebuild, needs: readonly string[]): Step {
  return { ...kubeconfigStep(rebuild.facts, rebuild.patience.joinMs, otherControlPlanes(rebuild)), needs };
}

/** From the fence to the machine config: card, power, the board's own proof, its config. `needs` are what the old board must have lost before. Last: `config:NODE`. */
export function boardSteps(rebuild: Rebuild, needs: readonly string[]): Step[] {
  const { facts, node, patience } = rebuild;
  const { power } = facts.cluster;
  const card = `card:${node.name}`;
  const powered = power && node.port !== undefined ? [{ ...powerStep(facts, power, node, node.port), needs: [card] }] : [];
  return [
    cardStep(rebuild, needs), ...powered,
    boardStep(facts, node, rebuild.lookout, [card, ...powered.map((step) => step.id)], patience.bootMs),
    notForTheOld(rebuild, configStep(facts, node, [`board:${node.name}`], patience.bootMs)),
  ];
}

/** The NAS has let go of the old board; none where there is no NAS. Last: `sessions:NODE`. */
export function letGoSteps(rebuild: Rebuild, needs: readonly string[]): Step[] {
  return rebuild.facts.cluster.nas ? [sessionsStep(rebuild, needs)] : [];
}

/** The new initiator is known to the NAS and its LUNs are proven; none where there is no NAS. Last: `storage-proof`. */
export function storageSteps({ facts, node, patience }: Rebuild, needs: readonly string[]): Step[] {
  const { nas } = facts.cluster;
  return nas ? [initiatorStep(facts, node, needs, patience.joinMs), storageStep(facts, nas, [`initiator:${node.name}`]), storageProofStep(facts, nas)] : [];
}

/** The claims are bound and in use again; none where there is no NAS. Last: `volumes-back`. */
export function volumeSteps(rebuild: Rebuild, needs: readonly string[]): Step[] {
  const { nas, gitops } = rebuild.facts.cluster;
  if (!nas) return [];
  const claimed = gitops !== undefined && nas.luns.some((lun) => lun.claim) ? [{ ...claimsStep(rebuild.facts, nas), needs }] : [];
  return [...claimed, volumesBackStep(rebuild, claimed.length > 0 ? ['claims'] : needs)];
}

/** The same step, which stops where the machine at the node's address turns out to be the old board. Its looks and acts are then not for that one. */
export function notForTheOld(rebuild: Rebuild, step: Step): Step {
  const { node } = rebuild;
  const guarded = <T>(work: Step['observe'] | Step['act']) => async (host: Parameters<Step['act']>[0]): Promise<T> => {
    if (await incarnationOf(host, rebuild) !== 'old') return await work(host) as T;
    throw problem('E_IDENTITY_OLD_CARD', `the machine at ${node.address} runs an older card of ${node.name} than the one of this rebuild`,
      `The old board is back: power it off (its card stays out), and run the same command again.`, { where: { node: node.name } });
  };
  return { ...step, observe: guarded(step.observe), act: guarded(step.act) };
}
