import { waitFor } from '../../lib/conditions.ts';
import { problem } from '../../lib/errors.ts';
import type { Host } from '../../lib/host.ts';
import type { ClusterNode, PowerSwitch } from '../../nodes/cluster.ts';
import { observePower, setPower } from '../../nodes/power.ts';
import { locate, type Neighbours } from '../boards.ts';
import type { Facts } from '../facts.ts';
import type { Step } from '../step.ts';

type Lookout = (host: Host) => Promise<Neighbours>;

/** Power on the node's PoE port. */
export function powerStep(facts: Facts, power: PowerSwitch, node: ClusterNode, port: number): Step {
  return {
    id: `power:${node.name}`,
    part: 'Boards',
    title: `Power for ${node.name} (port ${port})`,
    node: node.name,
    needs: ['cards'],
    lane: 'switch',
    async observe(host) {
      const state = await observePower(host, power, await switchPassword(facts, host), port);
      return state === 'on' ? { state: 'done', detail: 'on' } : { state: 'needed', why: 'the port is off' };
    },
    act: async (host) => { await setPower(host, power, await switchPassword(facts, host), port, 'on'); },
  };
}

/** The switch's password. Throws `E_CREDENTIALS_MISSING` where the credentials lack it. */
export async function switchPassword(facts: Facts, host: Host): Promise<string> {
  const password = (await facts.credentials(host)).switchPassword;
  if (password) return password;
  throw problem('E_CREDENTIALS_MISSING', 'switchPassword is missing', 'Add it to credentials.sops.yaml with `sops edit`.');
}

/** The board answers and has proven which node it is; where it was found is remembered for the config. */
export function boardStep(facts: Facts, node: ClusterNode, lookout: Lookout, needs: readonly string[], bootDeadlineMs: number): Step {
  const look = async (host: Host) => {
    const located = locate(facts, node, await lookout(host));
    if (located.kind === 'maintenance') facts.found.set(node.name, located);
    return located;
  };
  return {
    id: `board:${node.name}`,
    part: 'Boards',
    title: `${node.name} answers and proves who it is`,
    node: node.name,
    needs,
    async observe(host) {
      const located = await look(host);
      if (located.kind === 'configured') return { state: 'done', detail: `configured at ${node.address}` };
      if (located.kind === 'maintenance') return { state: 'done', detail: `in maintenance mode at ${located.address}` };
      return { state: 'needed', why: located.seen };
    },
    act: async (host) => {
      await waitFor({
        name: `the board of ${node.name} answers on port 50000 and proves it`,
        deadlineMs: bootDeadlineMs,
        everyMs: 500,
        hint: `Look at the board of ${node.name}: is its card in, its power on, does it boot (green LED)? In its reader a card that does not hold the image is written anew when the same command is run again.${facts.cluster.network.maintenance === 'static' ? ' A card gives its address to its own board alone: in another one it stays silent where no DHCP server answers.' : ''}`,
        look: async () => {
          const located = await look(host);
          return located.kind === 'absent' ? { met: false, seen: located.seen } : { met: true, value: located };
        },
      }, host);
    },
  };
}
