import { pack } from '../wire/messages.ts';
import { fileText } from '../machine/files.ts';
import { STAGES, unmetConditions, type Node } from '../node.ts';
import { platformNetwork } from '../platform-network.ts';
import { blockFacts } from './block.ts';
import type { Fact } from './store.ts';

function link(node: Node): Fact[] {
  const common = { namespace: 'network', type: 'LinkStatuses.net.talos.dev', owner: 'network.LinkStatusController' };
  const driver = { busPath: 'fd580000.ethernet', driver: 'bcmgenet', driverVersion: 'v2.0' };
  return [{
    ...common, id: 'end0',
    spec: {
      altNames: [`enx${node.mac.replaceAll(':', '')}`], index: 2, type: 'ether', linkIndex: 0, flags: 'UP,BROADCAST,RUNNING,MULTICAST,LOWER_UP',
      hardwareAddr: node.mac, permanentAddr: node.mac, broadcastAddr: 'ff:ff:ff:ff:ff:ff', mtu: 1500, queueDisc: 'mq', operationalState: 'up', kind: '', slaveKind: '',
      ...driver, linkState: true, speedMbit: 1000, port: 'MII', duplex: 'Full',
    },
  }, {
    ...common, id: 'lo',
    spec: {
      index: 1, type: 'loopback', linkIndex: 0, flags: 'UP,LOOPBACK,RUNNING,LOWER_UP', hardwareAddr: '00:00:00:00:00:00', permanentAddr: '', broadcastAddr: '00:00:00:00:00:00',
      mtu: 65536, queueDisc: 'noqueue', operationalState: 'unknown', kind: '', slaveKind: '', linkState: true, port: 'Other', duplex: 'Unknown',
    },
  }];
}

function addresses(node: Node): Fact[] {
  const status = (linkName: string, linkIndex: number, address: string, family: string, scope: string): Fact => ({
    namespace: 'network', type: 'AddressStatuses.net.talos.dev', owner: 'network.AddressStatusController', id: `${linkName}/${address}`,
    spec: { address, linkIndex, linkName, family, scope, flags: 'permanent', priority: 0 },
  });
  const names = ['accumulative', 'current', 'default', 'routed', ...(node.config ? ['accumulative-no-k8s', 'current-no-k8s', 'routed-no-k8s'] : [])];
  const only = node.config ? ['accumulative-only-k8s', 'current-only-k8s', 'routed-only-k8s'] : [];
  const set = (id: string, list: readonly string[]): Fact => ({
    namespace: 'network', type: 'NodeAddresses.net.talos.dev', owner: 'network.NodeAddressController', id, spec: { addresses: list, sortAlgorithm: 'v1' },
  });
  const own = [`${node.address}/24`, ...(node.sharedAddress === undefined ? [] : [`${node.sharedAddress}/32`])];
  return [
    status('end0', 2, `${node.address}/24`, 'inet4', 'global'), status('lo', 1, '127.0.0.1/8', 'inet4', 'host'), status('lo', 1, '::1/128', 'inet6', 'host'),
    ...(node.sharedAddress === undefined ? [] : [status('end0', 2, `${node.sharedAddress}/32`, 'inet4', 'global')]),
    ...names.map((id) => set(id, own)), ...only.map((id) => set(id, [])),
  ];
}

function machine(node: Node): Fact[] {
  const unmet = unmetConditions(node);
  const status = { ready: unmet.length === 0, unmetConditions: unmet };
  const runtime = (type: string, id: string, owner: string, spec: unknown): Fact => ({ namespace: 'runtime', type, id, owner, spec });
  return [
    {
      ...runtime('MachineStatuses.runtime.talos.dev', 'machine', 'runtime.MachineStatusController', { stage: node.stage, status }),
      proto: pack('MachineStatusEvent', { stage: STAGES.indexOf(node.stage), status: { ready: status.ready, unmet_conditions: unmet } }),
    },
    { namespace: 'config', type: 'MachineTypes.config.talos.dev', id: 'machine-type', owner: 'config.MachineTypeController', spec: node.config?.type ?? 'unknown' },
    runtime('TimeStatuses.v1alpha1.talos.dev', 'node', 'time.SyncController', { synced: node.timeSynced, epoch: 0, syncDisabled: node.config?.timeDisabled ?? false }),
    runtime('SecurityStates.talos.dev', 'securitystate', 'runtime.SecurityStateController', { secureBoot: false }),
    runtime('PlatformMetadatas.talos.dev', 'platformmetadata', 'network.PlatformConfigController', { platform: 'metal' }),
    runtime('KernelCmdlines.runtime.talos.dev', 'cmdline', 'runtime.KernelCmdlineController', { cmdline: fileText(node, '/proc/cmdline')!.trim() }),
    ...[...node.meta].map(([key, value]): Fact => runtime('MetaKeys.runtime.talos.dev', `0x${key.toString(16).padStart(2, '0')}`, '', { value })),
    ...node.services.list().filter((service) => service.state === 'Running').map((service): Fact => runtime('Services.v1alpha1.talos.dev', service.id, 'v1alpha1.ServiceController', {
      running: true, healthy: service.healthy === true, unknown: service.healthy === undefined,
    })),
    ...extensions(node).map((metadata, i): Fact => runtime('ExtensionStatuses.runtime.talos.dev', String(i), 'runtime.ExtensionStatusController', { image: `${i}.sqsh`, metadata })),
  ];
}

/** The image's extensions, and last the virtual one by which the image factory tells the schematic. */
function extensions(node: Node): readonly Readonly<Record<string, unknown>>[] {
  const { schematic, version } = node.card;
  const each = node.card.extensions.map((name) => ({ name, version, author: 'Sidero Labs', description: '', compatibility: { talos: { version: '>= v1.0.0' } } }));
  if (schematic === undefined) return each;
  const description = 'Virtual extension which specifies the schematic of the image built with Image Factory.';
  return [...each, { name: 'schematic', version: schematic, author: 'Image Factory', description, compatibility: { talos: { version: '>= 1.0.0' } } }];
}

function cluster(node: Node): Fact[] {
  const { config } = node;
  const facts: Fact[] = [{
    namespace: 'network', type: 'HostnameStatuses.net.talos.dev', id: 'hostname', owner: 'network.HostnameSpecController', spec: { hostname: node.hostname, domainname: '' },
  }];
  const network = (type: string, id: string, owner: string, spec: unknown): Fact => ({ namespace: 'network', type, id, owner, spec });
  const platform = platformNetwork(node.meta, node.mac);
  const servers = [config?.timeServers ?? [], platform.timeServers, ['time.cloudflare.com']].find((list) => list.length > 0);
  const nameservers = [config?.nameservers ?? [], platform.nameservers].find((list) => list.length > 0) ?? [];
  facts.push(network('TimeServerStatuses.net.talos.dev', 'timeservers', 'network.TimeServerSpecController', { timeServers: servers }));
  facts.push(network('ResolverStatuses.net.talos.dev', 'resolvers', 'network.ResolverSpecController', { dnsServers: nameservers, searchDomains: [] }));
  if (!config) return facts;
  const document = (id: string, text: string): Fact => ({ namespace: 'config', type: 'MachineConfigs.config.talos.dev', id, owner: '', spec: text, proto: pack('MachineConfigSpec', { yaml_marshalled: Buffer.from(text) }) });
  facts.push(document('persistent', node.persisted ?? config.text), document('v1alpha1', config.text), {
    namespace: 'cluster', type: 'Identities.cluster.talos.dev', id: 'local', owner: 'cluster.NodeIdentityController', spec: { nodeId: node.identity },
  }, {
    namespace: 'k8s', type: 'Nodenames.kubernetes.talos.dev', id: 'nodename', owner: 'k8s.NodenameController',
    spec: { nodename: node.hostname, hostnameVersion: '1', skipNodeRegistration: false },
  });
  const member = node.etcd?.memberId();
  if (member !== undefined) {
    facts.push({ namespace: 'etcd', type: 'EtcdMembers.etcd.talos.dev', id: 'local', owner: 'etcd.MemberController', spec: { memberID: member.toString(16).padStart(16, '0') } });
  }
  for (const one of node.members()) {
    facts.push({
      namespace: 'cluster', type: 'Members.cluster.talos.dev', id: one.hostname, owner: 'cluster.MemberController',
      spec: {
        nodeId: one.nodeId, addresses: one.addresses, hostname: one.hostname, machineType: one.machineType, operatingSystem: `Talos (${one.version})`,
        ...(one.machineType === 'controlplane' ? { controlPlane: { port: 6443 } } : {}),
      },
    });
  }
  return facts;
}

/** Everything that is true of the machine now, as resources. Types that are not here are empty lists. */
export function machineFacts(node: Node): readonly Fact[] {
  return [...link(node), ...addresses(node), ...machine(node), ...cluster(node), ...blockFacts(node)];
}
