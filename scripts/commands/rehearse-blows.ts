import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { readCredentials, writeCredentials } from '../../bootstrap/credentials.ts';
import type { Blow, NodeChoice } from '../../bootstrap/scenarios/types.ts';
import { AGE_SECRET, FLUX_NAMESPACE } from '../../gitops/age-secret.ts';
import { kubectl } from '../../gitops/kubectl.ts';
import { holders, strike } from '../../lab/world/strike.ts';
import type { World } from '../../lab/world/world.ts';
import { problem } from '../../lib/errors.ts';
import type { Host } from '../../lib/host.ts';
import type { Cluster } from '../../nodes/cluster.ts';
import { makeBundle } from '../../talos/secrets.ts';

/** What a disaster came to: in words, the nodes that it killed, and the MACs of the spare boards, by node. */
export type Disaster = { readonly told: readonly string[]; readonly killed: readonly string[]; readonly spares: ReadonlyMap<string, string> };

/** The names of the nodes that a scenario means. Throws `E_SCENARIO_NODE` where the cluster has none such. */
export function chosenNodes(world: World, cluster: Cluster, choice: NodeChoice): readonly string[] {
  const byRole = (role: string): readonly string[] => cluster.nodes.filter((node) => node.role === role).map(({ name }) => name);
  const holding = (): readonly string[] => holders(world, cluster).filter((name) => byRole('worker').includes(name));
  const found = choice === 'all nodes' ? cluster.nodes.map(({ name }) => name)
    : choice === 'control plane' ? byRole(choice).slice(0, 1)
      : choice === 'worker' ? byRole(choice).slice(0, 1)
        // Where nothing is mounted, any worker will do: it then has no volume to lose.
        : choice === 'worker with volumes' ? [...holding(), ...byRole('worker')].slice(0, 1)
          : cluster.nodes.filter(({ name }) => name === choice).map(({ name }) => name);
  if (found.length > 0) return found;
  throw problem('E_SCENARIO_NODE', `${cluster.name} has no ${choice}`, `The scenario means other nodes than there are: ${cluster.nodes.map(({ name }) => name).join(', ')}.`);
}

/** Strikes all blows of a scenario, one after another; `nodes` says whom each choice of nodes means. The cluster has every part that they break (`requireParts`). */
export async function strikeAll(host: Host, world: World, cluster: Cluster, kubeconfig: string, blows: readonly Blow[], nodes: (choice: NodeChoice) => readonly string[]): Promise<Disaster> {
  const told: string[] = [];
  const killed: string[] = [];
  const spares = new Map<string, string>();
  for (const blow of blows) {
    if ('kill' in blow) {
      const names = nodes(blow.kill);
      const struck = await strike(world, cluster, { kill: names, what: blow.what });
      told.push(struck.told);
      killed.push(...names);
      for (const [node, mac] of struck.spares) spares.set(node, mac);
    } else if ('swap' in blow) {
      await rm(join(cluster.folder, 'secrets.sops.yaml'));
      await makeBundle(host, cluster);
      told.push('secrets.sops.yaml is another cluster’s');
    } else if (blow.lose === 'cluster key') told.push(await loseKey(host, cluster, kubeconfig));
    else told.push((await strike(world, cluster, { lose: blow.lose })).told);
  }
  return { told, killed, spares };
}

/** The cluster's age key goes from the credentials and from Kubernetes; whoever else could open the files still can. */
async function loseKey(host: Host, cluster: Cluster, kubeconfig: string): Promise<string> {
  const { clusterIdentity: _gone, ...rest } = await readCredentials(host, cluster);
  await writeCredentials(host, cluster, rest);
  await kubectl(host, kubeconfig, ['delete', 'secret', AGE_SECRET.name, '-n', FLUX_NAMESPACE, '--ignore-not-found']);
  return 'the cluster’s age key is gone, from the credentials and from Kubernetes';
}
