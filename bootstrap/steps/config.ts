import { waitFor } from '../../lib/conditions.ts';
import { problem } from '../../lib/errors.ts';
import type { Host } from '../../lib/host.ts';
import type { ClusterNode } from '../../nodes/cluster.ts';
import { identify, type Identity } from '../../talos/identity.ts';
import { NETWORK_KEY, networkChange, networkValue } from '../../talos/meta-network.ts';
import { applyConfig } from '../../talos/talosctl-config.ts';
import { changeMeta } from '../../talos/talosctl-meta.ts';
import type { Access } from '../../talos/talosctl.ts';
import type { Facts } from '../facts.ts';
import type { Step } from '../step.ts';

type Configured = Extract<Identity, { kind: 'configured' }>;

/**
 * The node runs its machine config: applied to the proven board, with mutual TLS answering afterwards. What its card says of the
 * network follows the inventory too, after the config: the address in META would stay beside one that was changed in the config.
 */
export function configStep(facts: Facts, node: ClusterNode, needs: readonly string[], deadlineMs: number): Step {
  const secure = async (host: Host): Promise<Configured | undefined> => {
    const identity = await identify(host, facts.cluster, node.address, await facts.talosconfig(host));
    return identity.kind === 'configured' ? identity : undefined;
  };
  const change = (identity: Configured) => networkChange(networkValue(facts.cluster, node), identity.network);
  return {
    id: `config:${node.name}`,
    part: 'Machine configs',
    title: `Machine config of ${node.name}`,
    node: node.name,
    needs,
    ...(node.role === 'control plane' ? { lane: 'control planes' } : {}),
    async observe(host) {
      const identity = await secure(host);
      if (!identity) return { state: 'needed', why: 'in maintenance mode' };
      const dry = await applyConfig(host, await facts.access(host, node), await facts.machineConfig(host, node), { dryRun: true });
      if (dry.changes) return { state: 'needed', why: 'the config differs from the inventory' };
      if (change(identity)) return { state: 'needed', why: 'its card says another network than the inventory' };
      return { state: 'done', detail: `applied, mutual TLS at ${node.address}` };
    },
    async act(host) {
      const path = await facts.machineConfig(host, node);
      const access = await secure(host) ? await facts.access(host, node) : maintenance(facts, node);
      const fingerprint = facts.found.get(node.name)?.fingerprint;
      const pin = access.mode === 'maintenance' && fingerprint !== undefined ? { fingerprint } : {};
      await applyConfig(host, access, path, { dryRun: true, ...pin });
      host.emit({ code: 'intent.apply', message: `apply the config to ${access.address}` });
      await applyConfig(host, access, path, pin);
      const identity = await waitFor({
        name: `${node.name} answers at ${node.address} with the cluster’s certificate`,
        deadlineMs,
        everyMs: 300,
        hint: `Look at the console of ${node.name}; a worker needs a control plane’s trustd (port 50001) for its certificate.`,
        look: async () => {
          const told = await secure(host);
          return told ? { met: true, value: told } : { met: false, seen: 'not yet' };
        },
      }, host);
      const wanted = change(identity);
      if (wanted) await changeMeta(host, await facts.access(host, node), NETWORK_KEY, wanted);
    },
  };
}

function maintenance(facts: Facts, node: ClusterNode): Access {
  const found = facts.found.get(node.name);
  if (found) return { address: found.address, mode: 'maintenance' };
  throw problem('E_BOARD_LOST', `the board of ${node.name} answered before and is gone`, 'Run again: it is looked for anew.', { where: { node: node.name } });
}
