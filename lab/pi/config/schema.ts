/** The shape that a key of a machine config may have; a record lists the keys below it, `list` and `map` are not looked into. */
export type Shape = 'any' | 'string' | 'bool' | 'strings' | 'list' | 'map' | { readonly [key: string]: Shape };

const CERTIFICATE: Shape = { crt: 'string', key: 'string' };

/**
 * The keys of Talos 1.11's v1alpha1 document, two levels deep (three below `network`, `install` and `kubelet`):
 * siderolabs/talos:pkg/machinery/config/types/v1alpha1/v1alpha1_types.go.
 */
export const V1ALPHA1: Shape = {
  version: 'string', debug: 'bool', persist: 'bool',
  machine: {
    type: 'string', token: 'string', ca: CERTIFICATE, acceptedCAs: 'list', certSANs: 'strings', controlPlane: 'map',
    kubelet: {
      image: 'string', clusterDNS: 'strings', extraArgs: 'map', extraMounts: 'list', extraConfig: 'map', credentialProviderConfig: 'map',
      defaultRuntimeSeccompProfileEnabled: 'bool', registerWithFQDN: 'bool', nodeIP: 'map', skipNodeRegistration: 'bool', disableManifestsDirectory: 'bool',
    },
    pods: 'list',
    network: {
      hostname: 'string', interfaces: 'list', nameservers: 'strings', searchDomains: 'strings', extraHostEntries: 'list', kubespan: 'map', disableSearchDomain: 'bool',
    },
    disks: 'list',
    install: {
      disk: 'string', diskSelector: 'map', extraKernelArgs: 'strings', image: 'string', extensions: 'list', wipe: 'bool', legacyBIOSSupport: 'bool', grubUseUKICmdline: 'bool', bootloader: 'bool',
    },
    files: 'list', env: 'map', time: 'map', sysctls: 'map', sysfs: 'map', registries: 'map', systemDiskEncryption: 'map', features: 'map', udev: 'map',
    logging: 'map', kernel: 'map', seccompProfiles: 'list', baseRuntimeSpecOverrides: 'map', nodeLabels: 'map', nodeAnnotations: 'map', nodeTaints: 'map',
  },
  cluster: {
    id: 'string', secret: 'string', controlPlane: 'map', clusterName: 'string', network: 'map', token: 'string', aescbcEncryptionSecret: 'string',
    secretboxEncryptionSecret: 'string', ca: CERTIFICATE, acceptedCAs: 'list', aggregatorCA: CERTIFICATE, serviceAccount: 'map', apiServer: 'map',
    controllerManager: 'map', proxy: 'map', scheduler: 'map', discovery: 'map', etcd: 'map', coreDNS: 'map', externalCloudProvider: 'map', extraManifests: 'strings',
    extraManifestHeaders: 'map', inlineManifests: 'list', adminKubeconfig: 'map', allowSchedulingOnMasters: 'bool', allowSchedulingOnControlPlanes: 'bool',
  },
};

// siderolabs/talos:pkg/machinery/config/types, the registered kinds of v1.11 and those that came with v1.12.
const KINDS_1_11 = [
  'ExistingVolumeConfig', 'RawVolumeConfig', 'SwapVolumeConfig', 'UserVolumeConfig', 'VolumeConfig', 'ZswapConfig', 'PCIDriverRebindConfig', 'NetworkDefaultActionConfig',
  'EthernetConfig', 'KubeSpanEndpointsConfig', 'NetworkRuleConfig', 'EventSinkConfig', 'ExtensionServiceConfig', 'KmsgLogConfig', 'WatchdogTimerConfig', 'TrustedRootsConfig', 'SideroLinkConfig',
];
const KINDS_1_12 = [
  'HostnameConfig', 'LinkAliasConfig', 'LinkConfig', 'DHCPv4Config', 'DHCPv6Config', 'ResolverConfig', 'TimeSyncConfig', 'Layer2VIPConfig', 'StaticHostConfig', 'RegistryMirrorConfig',
  'RegistryAuthConfig', 'RegistryTLSConfig', 'VLANConfig', 'BondConfig', 'BridgeConfig', 'DummyLinkConfig', 'WireguardConfig', 'OOMConfig',
];

/** The kinds of further documents that this Talos version knows; `version` is `v1.11.0`. */
export function documentKinds(version: string): ReadonlySet<string> {
  const minor = Number(/^v?1\.(\d+)/.exec(version)?.[1] ?? 0);
  return new Set(minor >= 12 ? [...KINDS_1_11, ...KINDS_1_12] : KINDS_1_11);
}
