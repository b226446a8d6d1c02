import type { ControlPlaneMaterial, KeyPair, KubeletMaterial } from '../../kubernetes/types.ts';
import { parseConfig, type ConfigDocuments } from './parse.ts';

type Data = Readonly<Record<string, unknown>>;

/** What the board needs of a machine config. Keys and certificates are PEM; an absent key is an empty string. */
export type MachineConfig = {
  /** The config as it was sent. */
  readonly text: string;
  readonly documents: ConfigDocuments;
  readonly type: string;
  readonly role: 'control plane' | 'worker';
  readonly hostname: string | undefined;
  /** The static address for the board's MAC, without the prefix length. */
  readonly address: string | undefined;
  /** The virtual IP that the control planes share, where there is one. */
  readonly sharedAddress: string | undefined;
  readonly osCa: KeyPair;
  readonly token: string;
  readonly certSans: readonly string[];
  readonly endpoint: string;
  readonly clusterName: string;
  readonly nodeLabels: Readonly<Record<string, string>>;
  readonly nameservers: readonly string[];
  readonly timeServers: readonly string[];
  readonly timeDisabled: boolean;
  readonly main: Data;
};

function at(data: unknown, ...path: readonly string[]): unknown {
  return path.reduce<unknown>((value, key) => (typeof value === 'object' && value !== null ? (value as Data)[key] : undefined), data);
}

function text(data: unknown, ...path: readonly string[]): string {
  const value = at(data, ...path);
  return value === undefined || value === null ? '' : String(value);
}

function list(data: unknown, ...path: readonly string[]): readonly unknown[] {
  const value = at(data, ...path);
  return Array.isArray(value) ? value : [];
}

function pem(base64: string): string {
  return Buffer.from(base64, 'base64').toString('utf8');
}

function pair(data: unknown, ...path: readonly string[]): KeyPair {
  return { crt: pem(text(data, ...path, 'crt')), key: pem(text(data, ...path, 'key')) };
}

function selects(device: unknown, mac: string): boolean {
  const selector = at(device, 'deviceSelector');
  if (selector === undefined) return text(device, 'interface') !== 'lo';
  const wanted = text(selector, 'hardwareAddr') || text(selector, 'permanentAddr');
  return wanted === '' || wanted.toLowerCase() === mac || (wanted.includes('*') && mac.startsWith(wanted.toLowerCase().split('*')[0]!));
}

function staticAddress(documents: ConfigDocuments, mac: string): string | undefined {
  const device = list(documents.main, 'machine', 'network', 'interfaces').find((one) => selects(one, mac));
  const legacy = text({ first: list(device, 'addresses')[0] ?? at(device, 'cidr') }, 'first');
  if (legacy !== '') return legacy.split('/')[0];
  const alias = documents.others.find((one) => one['kind'] === 'LinkAliasConfig' && text(one, 'selector', 'match').toLowerCase().includes(mac));
  const link = documents.others.find((one) => one['kind'] === 'LinkConfig' && (alias === undefined || one['name'] === alias['name']));
  return text({ first: at(list(link, 'addresses')[0], 'address') }, 'first').split('/')[0] || undefined;
}

function sharedAddress(documents: ConfigDocuments, mac: string): string | undefined {
  const device = list(documents.main, 'machine', 'network', 'interfaces').find((one) => selects(one, mac));
  return text(device, 'vip', 'ip') || text(documents.others.find((one) => one['kind'] === 'Layer2VIPConfig'), 'name') || undefined;
}

/** Reads a machine config for the board with this MAC. Throws `ConfigUnreadable` with Talos' words. */
export function readMachineConfig(source: string, version: string, mac: string): MachineConfig {
  const documents = parseConfig(source, version);
  const main = documents.main ?? {};
  const kind = (name: string): Data | undefined => documents.others.find((one) => one['kind'] === name);
  const type = text(main, 'machine', 'type');
  const hostname = text(main, 'machine', 'network', 'hostname') || text(kind('HostnameConfig'), 'hostname');
  return {
    text: source, documents, main, type, role: type === 'controlplane' || type === 'init' ? 'control plane' : 'worker',
    hostname: hostname || undefined, address: staticAddress(documents, mac), sharedAddress: sharedAddress(documents, mac),
    osCa: pair(main, 'machine', 'ca'), token: text(main, 'machine', 'token'), certSans: list(main, 'machine', 'certSANs').map(String),
    endpoint: text(main, 'cluster', 'controlPlane', 'endpoint'), clusterName: text(main, 'cluster', 'clusterName'),
    nodeLabels: Object.fromEntries(Object.entries((at(main, 'machine', 'nodeLabels') ?? {}) as Data).map(([k, v]) => [k, String(v ?? '')])),
    nameservers: [...list(main, 'machine', 'network', 'nameservers').map(String), ...list(kind('ResolverConfig'), 'nameservers').map((one) => text(one, 'address'))],
    timeServers: [...list(main, 'machine', 'time', 'servers'), ...list(kind('TimeSyncConfig'), 'ntp', 'servers')].map(String),
    timeDisabled: at(main, 'machine', 'time', 'disabled') === true,
  };
}

const STATIC_PODS = [['kube-apiserver', 'apiServer'], ['kube-controller-manager', 'controllerManager'], ['kube-scheduler', 'scheduler']] as const;

/** What etcd and kube-apiserver of this control plane need; nothing is made up. */
export function controlPlaneMaterial(config: MachineConfig, nodeName: string, address: string): ControlPlaneMaterial {
  const { main } = config;
  const secretbox = text(main, 'cluster', 'secretboxEncryptionSecret');
  const aescbc = text(main, 'cluster', 'aescbcEncryptionSecret');
  return {
    nodeName, address, clusterName: config.clusterName, endpoint: config.endpoint,
    etcdCa: pair(main, 'cluster', 'etcd', 'ca'), kubernetesCa: pair(main, 'cluster', 'ca'), aggregatorCa: pair(main, 'cluster', 'aggregatorCA'),
    serviceAccountKey: pem(text(main, 'cluster', 'serviceAccount', 'key')),
    encryption: { ...(secretbox === '' ? {} : { secretbox }), ...(aescbc === '' ? {} : { aescbc }) },
    bootstrapToken: text(main, 'cluster', 'token'), serviceSubnet: String(list(main, 'cluster', 'network', 'serviceSubnets')[0] ?? '10.96.0.0/12'),
    images: Object.fromEntries(STATIC_PODS.map(([name, section]) => [name, text(main, 'cluster', section, 'image')])),
    podSubnet: String(list(main, 'cluster', 'network', 'podSubnets')[0] ?? '10.244.0.0/16'),
    certSans: [...list(main, 'cluster', 'apiServer', 'certSANs').map(String), ...config.certSans],
    admission: list(main, 'cluster', 'apiServer', 'admissionControl').map((one) => ({ name: text(one, 'name'), configuration: (at(one, 'configuration') ?? {}) as object })),
    ...talosAccess(config),
  };
}

function talosAccess({ main, osCa }: MachineConfig): Pick<ControlPlaneMaterial, 'talosAccess'> {
  const feature = at(main, 'machine', 'features', 'kubernetesTalosAPIAccess');
  if (at(feature, 'enabled') !== true) return {};
  return { talosAccess: { osCa, roles: list(feature, 'allowedRoles').map(String), namespaces: list(feature, 'allowedKubernetesNamespaces').map(String) } };
}

/** What the kubelet of this node needs. */
export function kubeletMaterial(config: MachineConfig, nodeName: string, address: string): KubeletMaterial {
  const image = text(config.main, 'machine', 'kubelet', 'image');
  return {
    nodeName, address, role: config.role, clusterName: config.clusterName, endpoint: config.endpoint,
    schedulable: config.role === 'worker' || at(config.main, 'cluster', 'allowSchedulingOnControlPlanes') === true,
    caCrt: pem(text(config.main, 'cluster', 'ca', 'crt')), ...iscsiFault(config, image),
    bootstrapToken: text(config.main, 'cluster', 'token'), labels: config.nodeLabels, kubeletVersion: (image.split(':').at(-1) ?? '').replace(/-fat$/, ''),
  };
}

/** The kubelet has iscsiadm only in its image with `-fat`, and reaches iscsid only without workload isolation (docs/decisions/0008, 0011). */
function iscsiFault(config: MachineConfig, image: string): { readonly iscsiFault?: string } {
  const isolated = config.documents.others.some((one) => one['kind'] === 'SecurityProfileConfig' && one['workloadIsolation'] === true);
  if (isolated) return { iscsiFault: 'iscsiadm: can not connect to iSCSI daemon (111)! The kubelet is isolated from it' };
  return image.endsWith('-fat') ? {} : { iscsiFault: 'executable file not found in $PATH' };
}
