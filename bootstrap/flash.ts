import { problem } from '../lib/errors.ts';
import type { Host } from '../lib/host.ts';
import type { ClusterNode } from '../nodes/cluster.ts';
import { claims, createLookout, type Neighbours } from './boards.ts';
import { nodesWithFreshCard } from './cards.ts';
import type { Facts } from './facts.ts';
import { withDesk } from './reader.ts';
import type { Step } from './step.ts';
import { writeNodeCards } from './steps/cards.ts';
import { imageSteps, openImage } from './steps/image.ts';

/**
 * Which steps write the cards of these nodes and nothing else: the schematic and the image as in `up`, then the cards. Needs
 * no secrets of the cluster, but for a card reader elsewhere whose key is among them; boards and the switch are left as they are.
 */
export function flashSteps(facts: Facts, nodes: readonly ClusterNode[]): Step[] {
  return [...imageSteps(facts), flashStep(facts, nodes)];
}

/**
 * A fresh card for each of the nodes, or one that is already the node's and still unused. A card a board has used is written
 * anew, after the person typed the node's name.
 */
function flashStep(facts: Facts, nodes: readonly ClusterNode[]): Step {
  const lookout = createLookout(facts, 'stranger');
  const proven = new Set<string>();
  const lacking = async (host: Host): Promise<ClusterNode[]> => {
    const open = nodes.filter((node) => !proven.has(node.name));
    if (open.length === 0) return open;
    const image = await openImage(facts, host);
    const fresh = await withDesk(facts, host, (desk) => nodesWithFreshCard(facts, host, open, image, desk));
    return open.filter((node) => !fresh.has(node.name));
  };
  return {
    id: 'cards',
    part: 'Cards',
    title: `Cards of ${nodes.map((node) => node.name).join(', ')}`,
    needs: ['image'],
    danger: 'Everything on the cards is overwritten.',
    async observe(host) {
      const left = await lacking(host);
      if (left.length === 0) return { state: 'done', detail: `written: ${nodes.map((node) => node.name).join(', ')}` };
      return { state: 'needed', why: `to be written: ${left.map((node) => node.name).join(', ')}` };
    },
    async act(host) {
      const left = await lacking(host);
      const neighbours = await lookout(host);
      for (const node of left) await refuseRunning(facts, host, node, neighbours);
      await writeNodeCards(facts, host, left, { before: async () => {}, written: (node) => proven.add(node.name) });
    },
  };
}

/** A board that answers runs from its card: another is written only when the person types the node's name. Throws `E_BOARD_ANSWERS`. */
async function refuseRunning(facts: Facts, host: Host, node: ClusterNode, neighbours: Neighbours): Promise<void> {
  const at = answering(facts, node, neighbours);
  if (at === undefined) return;
  const answer = await host.ask({ code: 'flash.answers', text: `The board of ${node.name} answers at ${at}. Type ${node.name} to write a new card for it all the same:` });
  if (answer === node.name) return;
  throw problem('E_BOARD_ANSWERS', `the board of ${node.name} answers at ${at}: no card was written for it`,
    'It needs none. For a new card answer with the node’s name, or power the board off first.', { where: { node: node.name } });
}

/** Where a node's board answers: whatever opens Talos's port at its address, or a board in maintenance mode that claims to be it. */
function answering(facts: Facts, node: ClusterNode, neighbours: Neighbours): string | undefined {
  if (neighbours.has(node.address)) return node.address;
  for (const [address, identity] of neighbours) if (identity.kind === 'maintenance' && claims(facts.cluster, node, identity)) return address;
  return undefined;
}
