import type { KubeClient } from '../client.ts';
import { secretValues, type BoundClaim } from './claims.ts';
import type { TargetLogin } from './sessions.ts';

/** Where a volume's blocks are: a target, and the LUN's number at it. */
export type Located = { readonly login: TargetLogin; readonly lun: number };

/**
 * What a CSI driver's node plugin does when a volume is staged: finds its target. Undefined where the lab does not know where the
 * driver's volumes are. Throws what then stands in the pod's event.
 */
export type NodeDriver = { locate(claim: BoundClaim, client: KubeClient): Promise<Located | undefined> };

/** The drivers whose node plugins run on a node now, by the driver's name. */
export type NodeDrivers = ReadonlyMap<string, NodeDriver>;

/** Finds a claim's blocks (`iscsiFault` is why the first can't): by the in-tree iSCSI plugin, or the CSI driver registered on this node. Undefined for kinds that are no block devices of a NAS. */
export async function locate(claim: BoundClaim, client: KubeClient, drivers: NodeDrivers, iscsiFault: string | undefined): Promise<Located | undefined> {
  const { iscsi, csi } = claim.source;
  if (csi) {
    const driver = drivers.get(csi.driver);
    if (driver) return driver.locate(claim, client);
    throw new Error(`kubernetes.io/csi: attacher.MountDevice failed to create newCsiDriverClient: driver name ${csi.driver} not found in the list of registered CSI drivers`);
  }
  if (!iscsi) return undefined;
  if (iscsiFault !== undefined) throw new Error(iscsiFault);
  const chap = iscsi.chapAuthSession && iscsi.secretRef ? await secretValues(client, iscsi.secretRef, claim.namespace) : {};
  return { login: { portal: withPort(iscsi.targetPortal), iqn: iscsi.iqn, ...chapOf(chap) }, lun: iscsi.lun };
}

/** The CHAP keys of open-iscsi, as Secrets of type kubernetes.io/iscsi-chap and csi-driver-iscsi's hold them. */
export function chapOf(values: Readonly<Record<string, string>>): Pick<TargetLogin, 'user' | 'secret' | 'mutual'> {
  const text = (name: string): string | undefined => values[`node.session.auth.${name}`];
  const [user, secret, mutualUser, mutualSecret] = [text('username'), text('password'), text('username_in'), text('password_in')];
  return {
    ...(user !== undefined && secret !== undefined ? { user, secret } : {}),
    ...(mutualUser !== undefined && mutualSecret !== undefined ? { mutual: { user: mutualUser, secret: mutualSecret } } : {}),
  };
}

/** A portal with iSCSI's port where it names none. */
export function withPort(portal: string): string {
  return portal.includes(':') ? portal : `${portal}:3260`;
}
