import { waitFor } from '../../lib/conditions.ts';
import { problem } from '../../lib/errors.ts';
import type { Host } from '../../lib/host.ts';
import type { ClusterNode } from '../../nodes/cluster.ts';
import { extensionsOf, initiatorOf, ISCSI_EXTENSIONS, ISCSI_SERVICE } from '../../talos/extensions.ts';
import { metaKeys } from '../../talos/resources.ts';
import { IMAGE_KEY, parseImageMark } from '../../talos/stamp.ts';
import { serviceState } from '../../talos/talosctl-services.ts';
import type { Facts } from '../facts.ts';
import type { Step } from '../step.ts';

/**
 * The node can log in to iSCSI targets: the extensions are in its image, the image is of the schematic that was flashed (or that the
 * inventory makes now), iscsid runs. Its initiator's name is remembered for the NAS. A look until iscsid runs: nothing is acted on.
 * Throws `E_EXTENSION_MISSING`, `E_SCHEMATIC_OTHER`.
 */
export function initiatorStep(facts: Facts, node: ClusterNode, needs: readonly string[], deadlineMs: number): Step {
  const look = async (host: Host): Promise<{ readonly name: string } | { readonly why: string }> => {
    const access = await facts.access(host, node);
    const service = await serviceState(host, access, ISCSI_SERVICE);
    if (service?.state !== 'Running') return { why: service ? `${ISCSI_SERVICE} is ${service.state}: ${service.lastEvent}` : `there is no service ${ISCSI_SERVICE} yet` };
    const name = await initiatorOf(host, access);
    facts.initiators.set(node.name, name);
    return { name };
  };
  return {
    id: `initiator:${node.name}`,
    part: 'Storage',
    title: `iSCSI initiator of ${node.name}`,
    node: node.name,
    needs,
    async observe(host) {
      const note = await requireExtensions(facts, node, host);
      const seen = await look(host);
      return 'name' in seen ? { state: 'done', detail: seen.name + note } : { state: 'needed', why: seen.why };
    },
    async act(host) {
      await waitFor({
        name: `iscsid runs on ${node.name}`, deadlineMs, everyMs: 500,
        hint: `Look at \`talosctl -n ${node.address} service ${ISCSI_SERVICE}\` and \`talosctl -n ${node.address} logs ${ISCSI_SERVICE}\`.`,
        look: async () => {
          const seen = await look(host);
          return 'name' in seen ? { met: true, value: seen.name } : { met: false, seen: seen.why };
        },
      }, host);
    },
  };
}

/** Throws unless the node's image has what iSCSI needs; gives what is worth a word beside that. */
async function requireExtensions(facts: Facts, node: ClusterNode, host: Host): Promise<string> {
  const access = await facts.access(host, node);
  const { versions, schematic } = await extensionsOf(host, access);
  const where = { where: { node: node.name } };
  const missing = ISCSI_EXTENSIONS.filter((name) => !versions.has(name));
  if (missing.length > 0) {
    throw problem('E_EXTENSION_MISSING', `${node.name} runs an image without ${missing.join(' and ')}, which its iSCSI volumes need`,
      `Add ${missing.map((name) => `siderolabs/${name}`).join(' and ')} to talos.schematic.extensions, and flash ${node.name} anew or upgrade it to that schematic.`, where);
  }
  // An image given by hand is of no schematic that could be known here.
  if (facts.cluster.talos.image !== undefined || schematic === facts.schematic.id) return '';
  const flashed = parseImageMark((await metaKeys(host, access)).get(IMAGE_KEY))?.schematic;
  const short = (id: string | undefined): string => (id === undefined ? 'none that it tells' : id.slice(0, 12));
  if (schematic === undefined || schematic !== flashed) {
    throw problem('E_SCHEMATIC_OTHER', `${node.name} runs an image of schematic ${short(schematic)}; its card was written with ${short(flashed)}, and cluster.yaml makes ${short(facts.schematic.id)}`,
      `See who changed its image. To go on, upgrade ${node.name} to the schematic of cluster.yaml, or flash its card anew.`, where);
  }
  return `; ! its image is still of schematic ${short(schematic)}, cluster.yaml makes ${short(facts.schematic.id)}`;
}
