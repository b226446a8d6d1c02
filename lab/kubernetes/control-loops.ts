import { join } from 'node:path';
import type { LabCommand } from '../guard.ts';
import { kubeconfig } from './kubeconfig.ts';
import { issue } from './pki.ts';
import { programPath, writePair, writeSecret } from './pki-folder.ts';
import type { ControlPlaneMaterial } from './types.ts';

/** `folder` is scratch for certificates and logs; `nodeGraceMs` is how long a silent node counts as ready (50 s unless told). */
export type ControlLoopsOptions = {
  readonly material: ControlPlaneMaterial;
  readonly folder: string;
  readonly programs: ReadonlyMap<string, string>;
  readonly nodeGraceMs?: number | undefined;
};

/**
 * The controllers that act on what a rehearsal has. Left out: those that need a cloud, metrics or other alpha kinds, and the ones
 * that only clean up after months.
 */
const CONTROLLERS = [
  'certificatesigningrequest-approving-controller', 'certificatesigningrequest-signing-controller', 'clusterrole-aggregation-controller',
  'cronjob-controller', 'daemonset-controller', 'deployment-controller', 'disruption-controller', 'endpoints-controller', 'endpointslice-controller',
  'ephemeral-volume-controller', 'garbage-collector-controller', 'job-controller', 'namespace-controller', 'node-ipam-controller',
  'node-lifecycle-controller', 'persistentvolume-attach-detach-controller', 'persistentvolume-binder-controller',
  'persistentvolume-expander-controller', 'persistentvolume-protection-controller', 'persistentvolumeclaim-protection-controller',
  'pod-garbage-collector-controller', 'replicaset-controller', 'resourcequota-controller', 'root-ca-certificate-publisher-controller',
  'serviceaccount-controller', 'serviceaccount-token-controller', 'statefulset-controller', 'taint-eviction-controller',
  'ttl-after-finished-controller',
];

/**
 * Leaders hold the lease shorter than by default (15 s, 10 s, 2 s): after a power cut the next one leads sooner, and a busy laptop
 * still renews in time.
 */
const ELECTION = { 'leader-elect': 'true', 'leader-elect-lease-duration': '8s', 'leader-elect-renew-deadline': '6s', 'leader-elect-retry-period': '1s' };

/** What they may ask the API server: with the defaults (20 a second) they take three seconds longer to be there. */
const ASKING = { 'kube-api-qps': '500', 'kube-api-burst': '1000' };

/**
 * Writes what the real kube-controller-manager and kube-scheduler of one control plane need, and gives their commands: kubeconfigs
 * with client certificates of the cluster's own CA towards this board's API server, ports 10257 and 10259 of its address, flags as
 * Talos sets them (siderolabs/talos:internal/app/machined/pkg/controllers/k8s/control_plane_static_pod.go). Throws E_NO_PROGRAM.
 */
export async function controlLoopCommands(options: ControlLoopsOptions): Promise<readonly LabCommand[]> {
  const { material, folder, programs, nodeGraceMs } = options;
  const pki = join(folder, 'pki');
  const ca = await writeSecret(pki, 'ca.crt', material.kubernetesCa.crt);
  const signing = await writePair(pki, 'signing', material.kubernetesCa);
  const command = async (name: string, flags: Readonly<Record<string, string>>): Promise<LabCommand> => {
    const pair = await issue(material.kubernetesCa, { commonName: `system:${name}`, usages: ['client'], days: 365 });
    const config = kubeconfig({ cluster: material.clusterName, endpoint: `https://${material.address}:6443`, ca: material.kubernetesCa.crt, user: name, pair });
    const all = { kubeconfig: await writeSecret(folder, `${name}.kubeconfig`, config), 'bind-address': material.address, profiling: 'false', ...ELECTION, ...ASKING, ...flags };
    return {
      program: programPath(programs, name), args: Object.entries(all).map(([flag, value]) => `--${flag}=${value}`),
      log: join(folder, `${name}.log`), env: { HOME: folder, PATH: '/usr/bin:/bin', GOMAXPROCS: '2' },
    };
  };
  return Promise.all([
    command('kube-controller-manager', {
      controllers: CONTROLLERS.join(','),
      'use-service-account-credentials': 'true',
      'allocate-node-cidrs': 'true',
      'cluster-cidr': material.podSubnet,
      'service-cluster-ip-range': material.serviceSubnet,
      'root-ca-file': ca,
      'service-account-private-key-file': await writeSecret(pki, 'service-account.key', material.serviceAccountKey),
      // A claim that came before its volume is looked at again then; by default after 15 s.
      'pvclaimbinder-sync-period': '1s',
      'cluster-signing-cert-file': signing.crt,
      'cluster-signing-key-file': signing.key,
      ...(nodeGraceMs === undefined ? {} : { 'node-monitor-grace-period': `${nodeGraceMs}ms`, 'node-monitor-period': `${Math.ceil(nodeGraceMs / 4)}ms` }),
    }),
    command('kube-scheduler', {}),
  ]);
}
