import type { Cluster, ClusterNode } from '../../nodes/cluster.ts';
import { knowsIsolation, workloadsIsolated } from '../../nodes/isolation.ts';
import { parseVersion, since } from '../versions.ts';
import { document, render, type PatchDocument } from './document.ts';
import { iscsiKubeletImage } from './kubelet.ts';
import { endpointHost, networkDocuments, networkFields } from './network.ts';

/** Where a Raspberry Pi 4 sees its microSD card. Talos is already on it; the config must name a disk that exists all the same. */
export const CARD = '/dev/mmcblk0';

/**
 * The patch firstlight lays over what `talosctl gen config` makes, as YAML: hostname, static address on the link chosen by MAC,
 * route, name servers, time servers, install and kubelet image, node labels, certificate names, virtual address. Pure. Talos 1.11 takes one
 * document, 1.12 and 1.13 have the network and the time in documents of their own, 1.14 also install and labels
 * (siderolabs/talos:pkg/machinery/config/contract.go).
 */
export function builtInPatch(cluster: Cluster, node: ClusterNode, installImage: string): string {
  const version = parseVersion(cluster.talos.version);
  if (!since(version, 1, 12)) return render([legacy(cluster, node, installImage)]);
  const kubernetesApart = since(version, 1, 14);
  const machine = {
    certSANs: [endpointHost(cluster)],
    ...(kubernetesApart ? {} : { install: install(installImage), ...kubelet(cluster), ...labels(node) }),
  };
  return render([
    { machine },
    ...networkDocuments(cluster, node),
    ...timeDocuments(cluster, kubernetesApart),
    ...(knowsIsolation(version.text) ? [document('SecurityProfileConfig', { workloadIsolation: workloadsIsolated(cluster) })] : []),
    ...(kubernetesApart ? kubernetesDocuments(cluster, node, installImage) : []),
  ]);
}

function legacy(cluster: Cluster, node: ClusterNode, installImage: string): PatchDocument {
  const { ntp } = cluster.network;
  return {
    machine: {
      certSANs: [endpointHost(cluster)],
      network: networkFields(cluster, node),
      install: install(installImage),
      ...(ntp.length === 0 ? {} : { time: { servers: ntp } }),
      ...kubelet(cluster),
      ...labels(node),
    },
  };
}

/** Time servers of a home network speak NTP without NTS, which 1.14 asks for unless told. */
function timeDocuments(cluster: Cluster, nts: boolean): readonly PatchDocument[] {
  const { ntp: servers } = cluster.network;
  if (servers.length === 0) return [];
  return [document('TimeSyncConfig', { enabled: true, ntp: { servers, ...(nts ? { useNTS: false } : {}) } })];
}

function kubernetesDocuments(cluster: Cluster, node: ClusterNode, installImage: string): readonly PatchDocument[] {
  const image = iscsiKubeletImage(cluster);
  const selector = { match: `disk.dev_path == "${CARD}"` };
  return [
    document('UnattendedInstallConfig', { installer: { image: installImage }, provisioning: { diskSelector: selector, wipe: false } }),
    ...(image === undefined ? [] : [document('KubeletConfig', { image })]),
    ...(Object.keys(node.labels).length === 0 ? [] : [document('KubeNodeConfig', { labels: sorted(node.labels) })]),
  ];
}

function install(image: string): PatchDocument {
  return { disk: CARD, image };
}

function kubelet(cluster: Cluster): PatchDocument {
  const image = iscsiKubeletImage(cluster);
  return image === undefined ? {} : { kubelet: { image } };
}

function labels(node: ClusterNode): PatchDocument {
  return Object.keys(node.labels).length === 0 ? {} : { nodeLabels: sorted(node.labels) };
}

function sorted(all: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(all).sort(([a], [b]) => (a < b ? -1 : 1)));
}
