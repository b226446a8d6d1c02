import type { FluxWay } from '../gitops/flux-state.ts';
import type { Cluster } from '../nodes/cluster.ts';
import { createLookout } from './boards.ts';
import type { Facts } from './facts.ts';
import type { Step } from './step.ts';
import { boardStep, powerStep } from './steps/boards.ts';
import { cardsStep } from './steps/cards.ts';
import { configStep } from './steps/config.ts';
import { etcdStep } from './steps/etcd.ts';
import { ageSecretStep, createRepositoryRoom, csiSecretStep, fluxStep, reconciledStep, writingNothing } from './steps/gitops.ts';
import { imageSteps } from './steps/image.ts';
import { initiatorStep } from './steps/initiators.ts';
import { kubeconfigStep, readyStep } from './steps/kubernetes.ts';
import { certificateIsOpen, nasCertificateStep } from './steps/nas-certificate.ts';
import { isolationMatters } from './isolation.ts';
import { isolationStep } from './steps/isolation.ts';
import { memoryStep } from './steps/memory.ts';
import { bundleStep, credentialsStep } from './steps/secrets.ts';
import { storageProofStep, storageStep } from './steps/storage.ts';
import { vaultManifestsStep, vaultStep, vaultSyncedStep } from './steps/vault.ts';
import { claimsStep, volumesStep } from './steps/volumes.ts';

/** How long to wait for machines, in milliseconds. A Pi 4B's cold boot is one to three minutes, an image pull on a slow line more. */
export type Patience = { readonly bootMs: number; readonly joinMs: number };

/** What suits real boards. */
export const REAL_PATIENCE: Patience = { bootMs: 10 * 60_000, joinMs: 20 * 60_000 };

/**
 * Which steps bring this cluster up, in which order: a pure function of the inventory. Sections it lacks (switch, NAS,
 * GitOps) have no steps. Nothing is written to the NAS or to git before the nodes are Ready, and nothing to git before
 * the storage is proven. `flux` says how Flux comes into the cluster; on the way `offline` nothing is written to git at all.
 */
export function upSteps(facts: Facts, patience: Patience = REAL_PATIENCE, flux: FluxWay = 'bootstrap'): Step[] {
  const { cluster } = facts;
  const lookout = createLookout(facts);
  const steps: Step[] = [bundleStep(facts), credentialsStep(facts), ...certificateSteps(facts), ...(cluster.vault ? [vaultStep(facts, cluster.vault)] : []), ...memorySteps(facts), ...imageSteps(facts), cardsStep(facts, lookout)];
  const powered = poweredNodes(cluster);
  for (const { node, port } of powered) if (cluster.power) steps.push(powerStep(facts, cluster.power, node, port));
  const controlPlanes = cluster.nodes.filter((node) => node.role === 'control plane');
  const boards = cluster.nodes.map((node) => {
    const power = cluster.power && node.port !== undefined ? [`power:${node.name}`] : [];
    return boardStep(facts, node, lookout, ['cards', ...power], patience.bootMs);
  });
  const allBoards = boards.map((board) => board.id);
  steps.push(...boards);
  for (const node of cluster.nodes) {
    const first = node.role === 'worker' ? controlPlanes.map((other) => `config:${other.name}`) : [];
    steps.push(configStep(facts, node, [...allBoards, ...first], patience.bootMs));
  }
  steps.push(etcdStep(facts, controlPlanes.map((node) => `config:${node.name}`), patience.joinMs), kubeconfigStep(facts, patience.joinMs));
  for (const node of cluster.nodes) steps.push(readyStep(facts, node, patience.joinMs));
  let settled = cluster.nodes.map((node) => `ready:${node.name}`);
  if (cluster.nas) {
    const trusted = certificateIsOpen(cluster.nas) ? ['nas-certificate'] : [];
    const initiators = cluster.nodes.map((node) => initiatorStep(facts, node, [`config:${node.name}`], patience.joinMs));
    settled.push(...initiators.map((step) => step.id));
    steps.push(...initiators, storageStep(facts, cluster.nas, [...settled, ...trusted]), storageProofStep(facts, cluster.nas));
    settled = ['storage-proof'];
  }
  if (cluster.gitops) steps.push(...gitopsSteps(facts, settled, flux));
  return steps;
}

function certificateSteps(facts: Facts): Step[] {
  const { nas } = facts.cluster;
  return nas && certificateIsOpen(nas) ? [nasCertificateStep(facts, nas)] : [];
}

/** Whether what the repository runs fits the nodes; none without GitOps. */
export function memorySteps(facts: Facts): Step[] {
  const { gitops } = facts.cluster;
  return gitops ? [memoryStep(facts, gitops, createRepositoryRoom(facts))] : [];
}

/** What is written to git, Flux in the cluster, and what it then makes, down to the claims. Needs the step `memory`, with a vault `vault`, and `settled`: the nodes, and the storage where there is one. */
export function gitopsSteps(facts: Facts, settled: readonly string[], flux: FluxWay): Step[] {
  const room = createRepositoryRoom(facts);
  const written: Step[] = [];
  if (isolationMatters(facts.cluster)) written.push(isolationStep(facts, room));
  const { nas, vault } = facts.cluster;
  if (nas) written.push(csiSecretStep(facts, room, [...settled, 'memory']));
  const claimed = nas?.luns.some((lun) => lun.claim) ? nas : undefined;
  if (claimed) written.push(volumesStep(facts, claimed, room, ['csi-secret']));
  if (vault) written.push(vaultManifestsStep(facts, vault, room, [...settled, 'memory', 'vault', ...(nas ? ['csi-secret'] : []), ...(claimed ? ['volumes'] : [])]));
  const needs = [...settled, 'memory', ...written.map((step) => step.id)];
  const asTold = flux === 'offline' ? written.map(writingNothing) : written;
  return [...asTold, ageSecretStep(facts, needs), fluxStep(facts, ['age-secret'], flux), reconciledStep(facts, room), ...(claimed ? [claimsStep(facts, claimed)] : []), ...(vault ? [vaultSyncedStep(facts, vault)] : [])];
}

function poweredNodes(cluster: Cluster) {
  return cluster.nodes.flatMap((node) => (node.port === undefined ? [] : [{ node, port: node.port }]));
}
