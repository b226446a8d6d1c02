import { present, type Draft, type Fault, type Rule } from './fault.ts';
import { knowsIsolation } from './isolation.ts';
import { addressesInSubnet, addressesUnique, endpointReachable, subnetApart } from './rules-addresses.ts';
import { placesGood } from './rules-backup.ts';
import { gitHostAgrees } from './rules-git.ts';
import { claimsNeedGitops } from './rules-claims.ts';
import { memoryPossible } from './rules-memory.ts';
import { labelsGood, portsNeedSwitch, quorum, readerIsNoNode, staticNeedsStamp } from './rules-nodes.ts';
import { commandsFitDriver, commandsNamePort, portNameUsed, samplesRead } from './rules-switch.ts';
import { manifestsAgree, vaultNeedsGitops, vaultSecretsUnique } from './rules-vault.ts';
import { cardSerialsUnique, claimsUnique, lunsUnique, macsUnique, nodeNamesUnique, portsUnique, recipientsUnique } from './rules-unique.ts';

/**
 * Kubernetes minor versions that each Talos minor version supports.
 * Source: siderolabs/talos:pkg/machinery/compatibility/talos1xx (MinimumKubernetesVersion, MaximumKubernetesVersion).
 */
const SUPPORTED: Readonly<Record<string, readonly [number, number]>> = { '1.11': [29, 34], '1.12': [30, 35], '1.13': [31, 36], '1.14': [33, 37] };

function minor(version: string): string {
  return version.replace(/^v/, '').split('.').slice(0, 2).join('.');
}

/** firstlight knows this Talos, and this Talos this Kubernetes. */
function* versionsFit(draft: Draft): Iterable<Fault> {
  const talos = draft.talos?.version;
  const kubernetes = draft.kubernetes?.version;
  if (talos === undefined) return;
  const range = SUPPORTED[minor(talos)];
  if (range === undefined) {
    yield { code: 'E_INVENTORY_TALOS_VERSION', path: ['talos', 'version'], message: `talos.version: ${talos} is not supported`, hint: `Choose one of Talos ${Object.keys(SUPPORTED).join(', ')}.` };
    return;
  }
  if (kubernetes === undefined) return;
  const [major, number] = minor(kubernetes).split('.').map(Number);
  if (major !== 1 || number === undefined || number < range[0] || number > range[1]) {
    yield { code: 'E_INVENTORY_KUBERNETES_VERSION', path: ['kubernetes', 'version'], message: `kubernetes.version: Talos ${talos} does not support Kubernetes ${kubernetes}`,
      hint: `Choose a version from 1.${range[0]} to 1.${range[1]}.` };
  }
}

/** A Talos that does not know the setting would not obey it. */
function* isolationKnown(draft: Draft): Iterable<Fault> {
  const { version, workloadIsolation } = draft.talos ?? {};
  if (version === undefined || workloadIsolation === undefined || knowsIsolation(version)) return;
  yield { code: 'E_INVENTORY_ISOLATION', path: ['talos', 'workloadIsolation'], message: `talos.workloadIsolation: Talos ${version} does not know it`, hint: 'Talos 1.14 is the first that keeps workloads apart: take the key out.' };
}

/** A pin needs https; a pin without it protects nothing. */
function* certificateNeedsHttps(draft: Draft): Iterable<Fault> {
  if (draft.nas?.https === false && draft.nas.certificate !== undefined) {
    yield { code: 'E_INVENTORY_CERTIFICATE_WITHOUT_HTTPS', path: ['nas', 'certificate'], message: 'nas.certificate: without https nobody looks at it', hint: 'Set https: true (and DSM\'s https port), or take the certificate out.' };
  }
}

/** The authority vouches for the certificate, or the pin does; with https only. */
function* authorityAlone(draft: Draft): Iterable<Fault> {
  if (draft.nas?.ca === undefined) return;
  const fault = { code: 'E_INVENTORY_CA', path: ['nas', 'ca'] };
  if (draft.nas.https === false) yield { ...fault, message: 'nas.ca: without https nobody looks at it', hint: 'Set https: true (and DSM\'s https port), or take ca out.' };
  else if (draft.nas.certificate !== undefined) yield { ...fault, message: 'nas.ca: the certificate is pinned already, so its authority is not asked', hint: 'Keep one of the two: certificate for a self-signed one, ca for one that an authority of yours signed.' };
}

/** At least two recipients, so that one lost key loses nothing; exactly one of them is the cluster's own. */
function* recipientsEnough(draft: Draft): Iterable<Fault> {
  const list = draft.secrets?.recipients;
  if (list === undefined) return;
  const path = ['secrets', 'recipients'];
  if (list.length < 2) {
    yield { code: 'E_INVENTORY_RECIPIENTS_FEW', path, at: 'key', message: `secrets.recipients: ${list.length} recipient${list.length === 1 ? '' : 's'}; one lost key would lose every secret`,
      hint: 'Name at least two: the cluster\'s key and one of your own, better also one kept offline.' };
    return;
  }
  if (list.some((item) => item?.role === undefined)) return;
  const clusters = [...present(list)].filter(([, item]) => item.role === 'cluster');
  if (clusters.length === 0) {
    yield { code: 'E_INVENTORY_RECIPIENTS_CLUSTER', path, at: 'key', message: 'secrets.recipients: none has role: cluster, so the cluster could decrypt nothing', hint: 'Give the cluster a key of its own: age-keygen.' };
  }
  for (const [index] of clusters.slice(1)) {
    yield { code: 'E_INVENTORY_RECIPIENTS_CLUSTER', path: [...path, index, 'role'], message: `secrets.recipients[${index}].role: there is already a recipient for the cluster`, hint: 'Exactly one recipient has role: cluster.' };
  }
}

/** Every rule, in the order in which a reader meets the values. Form has been judged before (schema.ts). */
export const RULES: readonly Rule[] = [
  versionsFit, isolationKnown, subnetApart, addressesInSubnet, addressesUnique, endpointReachable,
  nodeNamesUnique, quorum, macsUnique, portsNeedSwitch, portsUnique, commandsFitDriver, commandsNamePort, portNameUsed, samplesRead, readerIsNoNode, cardSerialsUnique, labelsGood, memoryPossible, staticNeedsStamp,
  certificateNeedsHttps, authorityAlone, lunsUnique, claimsUnique, claimsNeedGitops, gitHostAgrees, vaultNeedsGitops, vaultSecretsUnique, manifestsAgree, placesGood, recipientsUnique, recipientsEnough,
];
