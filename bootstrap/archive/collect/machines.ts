import type { Host } from '../../../lib/host.ts';
import { problem } from '../../../lib/errors.ts';
import { getResources } from '../../../talos/resources.ts';
import type { Facts } from '../../facts.ts';
import type { Part } from '../pack.ts';
import { ENTRY, type MissingPart } from '../types.ts';

/**
 * The machine config that each node runs, as it was applied (siderolabs/talos: resource MachineConfigs.config.talos.dev, id v1alpha1). A node that
 * does not answer is told as missing; only an abort is thrown. The configs are secret, and are registered with the mask by the bundle's values.
 */
export async function machineConfigs(host: Host, facts: Facts): Promise<{ readonly parts: readonly Part[]; readonly missing: readonly MissingPart[] }> {
  const asked = await Promise.all(facts.cluster.nodes.map(async (node) => {
    const part = `${ENTRY.machines}${node.name}.yaml`;
    try {
      const text = (await getResources(host, await facts.access(host, node), 'machineconfig', 'v1alpha1'))[0]?.spec;
      if (typeof text !== 'string' || text === '') throw problem('E_TALOS_OUTPUT', 'it has no config', 'Bring it up with `firstlight up`.');
      return { part: { name: part, text } };
    } catch (error) {
      host.signal.throwIfAborted();
      return { missing: { part, why: error instanceof Error ? error.message : String(error) } };
    }
  }));
  return { parts: asked.flatMap(({ part }) => part ?? []), missing: asked.flatMap(({ missing }) => missing ?? []) };
}
