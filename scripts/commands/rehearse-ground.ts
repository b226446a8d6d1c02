import { join } from 'node:path';
import { planAddresses, realAddresses, type AddressPlan } from '../../lab/world/addresses.ts';
import { holdNetwork, type LabNetwork } from '../../lab/world/network.ts';
import { watchOutside } from '../../lab/world/outside.ts';
import { withSignal, type Host } from '../../lib/host.ts';
import type { Cluster } from '../../nodes/cluster.ts';
import { furnishNamespace } from '../namespace-inside.ts';
import type { Whereabouts } from '../namespace.ts';
import type { Session } from '../session.ts';

/** Where a rehearsal takes place. */
export type Ground = {
  readonly plan: AddressPlan;
  /** The host whose signal also fires when something spoke to an address outside the plan. */
  readonly host: Host;
  /** What makes nothing real be touched, as the end of a sentence. */
  readonly words: string;
  /** The command by which another shell gets here; undefined where every shell is. */
  readonly enter?: string;
  /** Throws `E_LAB_OUTSIDE` where something spoke to an address outside the plan. */
  refuseOutside(): void;
  close(): Promise<void>;
};

/**
 * Makes the ground where `moveIn` ended: in a namespace of its own the inventory's real addresses and names; else a network on loopback,
 * whose every connection is watched. `folder` is the rehearsal's. Throws `E_LAB_SUBNET`, `E_LAB_OUTSIDE`.
 */
export async function layGround({ host }: Session, cluster: Cluster, folder: string, place: Whereabouts): Promise<Ground> {
  if ('left' in place) {
    const plan = realAddresses(cluster);
    await furnishNamespace(host, place.left, plan, join(folder, 'namespace'));
    return {
      plan, host, words: 'in a network of its own that has the real addresses and no way out',
      enter: `nsenter --target ${process.pid} --user --net --mount --preserve-credentials`,
      refuseOutside: () => {}, close: async () => {},
    };
  }
  const held = await holdNetwork();
  const plan = await planOrClose(cluster, held);
  const watch = watchOutside(plan.subnet);
  return {
    plan, host: withSignal(host, watch.signal),
    words: `on loopback addresses, every connection watched${place.why === '' ? '' : ` (no network of its own: ${place.why})`}`,
    refuseOutside() {
      const seen = watch.seen();
      if (seen) throw seen;
    },
    async close() {
      watch.close();
      await held.close();
    },
  };
}

async function planOrClose(cluster: Cluster, held: LabNetwork): Promise<AddressPlan> {
  try {
    return planAddresses(cluster, held.seed);
  } catch (error) {
    await held.close();
    throw error;
  }
}
