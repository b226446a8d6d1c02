import { overlap, placeInSubnet, isInside } from './addresses.ts';
import { present, type Draft, type Fault, type Path } from './fault.ts';
import { described } from './schema-faults.ts';

type Device = { readonly path: Path; readonly what: string; readonly address: string };

/** Every machine with an address of its own: nodes, switch, NAS. */
function* devices(draft: Draft): Iterable<Device> {
  for (const [i, node] of present(draft.nodes)) {
    if (node.address !== undefined) yield { path: ['nodes', i, 'address'], what: node.name ?? `nodes[${i}]`, address: node.address };
  }
  if (draft.switch?.address !== undefined) yield { path: ['switch', 'address'], what: 'the switch', address: draft.switch.address };
  if (draft.nas?.address !== undefined) yield { path: ['nas', 'address'], what: 'the NAS', address: draft.nas.address };
}

/** The gateway, the nodes, the switch and the NAS are host addresses of the subnet. */
export function* addressesInSubnet(draft: Draft): Iterable<Fault> {
  const subnet = draft.network?.subnet;
  if (subnet === undefined) return;
  const gateway = draft.network?.gateway;
  const all = gateway === undefined ? [] : [{ path: ['network', 'gateway'], address: gateway }];
  for (const { path, address } of [...all, ...devices(draft)]) {
    const place = placeInSubnet(address, subnet);
    if (place === 'outside') {
      yield { code: 'E_INVENTORY_ADDRESS_OUTSIDE', path, message: `${described(path)}: ${address} is not in ${subnet}`, hint: 'Correct the address, or network.subnet.' };
    } else if (place !== 'host') {
      yield { code: place === 'network' ? 'E_INVENTORY_ADDRESS_NETWORK' : 'E_INVENTORY_ADDRESS_BROADCAST', path,
        message: `${described(path)}: ${address} is the ${place} address of ${subnet}`, hint: 'No machine can have it: choose another.' };
    }
  }
}

/** No two machines share an address, and none has the gateway's. */
export function* addressesUnique(draft: Draft): Iterable<Fault> {
  const taken = new Map<string, string>();
  if (draft.network?.gateway !== undefined) taken.set(draft.network.gateway, 'the gateway');
  for (const { path, what, address } of devices(draft)) {
    const other = taken.get(address);
    if (other !== undefined) {
      yield { code: other === 'the gateway' ? 'E_INVENTORY_ADDRESS_GATEWAY' : 'E_INVENTORY_ADDRESS_TWICE', path,
        message: `${described(path)}: ${address} already belongs to ${other}`, hint: `Give ${what} an address of its own.` };
    } else {
      taken.set(address, what);
    }
  }
}

/** Talos' own networks (siderolabs/talos:pkg/machinery/constants: DefaultIPv4PodNet, DefaultIPv4ServiceNet). */
const INSIDE_NETWORKS = [['10.244.0.0/16', 'pods'], ['10.96.0.0/12', 'services']] as const;

/** The machines' subnet and the cluster's inner networks have no address in common. */
export function* subnetApart(draft: Draft): Iterable<Fault> {
  const subnet = draft.network?.subnet;
  if (subnet === undefined) return;
  for (const [inside, whose] of INSIDE_NETWORKS) {
    if (overlap(subnet, inside)) {
      yield { code: 'E_INVENTORY_SUBNET_OVERLAP', path: ['network', 'subnet'], message: `network.subnet: ${subnet} overlaps ${inside}, where Kubernetes puts its ${whose}`,
        hint: 'Use another subnet, for example one inside 192.168.0.0/16.' };
      return;
    }
  }
}

/** The endpoint is a control plane, a free address of the subnet (virtual IP), or a name. */
export function* endpointReachable(draft: Draft): Iterable<Fault> {
  const endpoint = draft.network?.endpoint;
  const subnet = draft.network?.subnet;
  if (endpoint === undefined) return;
  const path = ['network', 'endpoint'];
  const [, host = '', port = ''] = /^https:\/\/([^:]+):(\d+)$/.exec(endpoint) ?? [];
  if (Number(port) > 65_535) {
    yield { code: 'E_INVENTORY_ENDPOINT', path, message: `network.endpoint: ${port} is not a port`, hint: 'The Kubernetes API of Talos listens on 6443.' };
  }
  if (!/^[\d.]+$/.test(host)) return;
  const fault = (message: string): Fault => ({ code: 'E_INVENTORY_ENDPOINT_HOST', path, message: `network.endpoint: ${message}`,
    hint: `Use a control plane's address${firstControlPlane(draft)}, or a free address of the subnet as virtual IP.` });
  if (subnet !== undefined && !isInside(host, subnet)) {
    yield fault(`${host} is not in ${subnet}`);
    return;
  }
  if (subnet !== undefined && placeInSubnet(host, subnet) !== 'host') yield fault(`${host} is the ${placeInSubnet(host, subnet)} address of ${subnet}`);
  if (host === draft.network?.gateway) yield fault(`${host} is the gateway`);
  const here = [...present(draft.nodes)].map(([, node]) => node).filter((node) => node.address === host);
  if (here.some((node) => node.role !== 'worker')) return;
  for (const node of here) {
    yield fault(`${host} is ${node.name ?? 'a node'}, which is a worker`);
  }
  if (host === draft.switch?.address) yield fault(`${host} is the switch`);
  if (host === draft.nas?.address) yield fault(`${host} is the NAS`);
}

function firstControlPlane(draft: Draft): string {
  for (const [, node] of present(draft.nodes)) {
    if (node.role === 'control plane' && node.address !== undefined) return ` (${node.address})`;
  }
  return '';
}
