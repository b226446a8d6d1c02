import { FirstlightError } from '../../lib/errors.ts';
import type { Host } from '../../lib/host.ts';
import { iscsiProblem, type IscsiAddress } from '../../lib/iscsi/errors.ts';
import { inquiry, readCapacity, reportLuns, serialNumber } from '../../lib/iscsi/scsi.ts';
import { withSession, type IscsiSession, type SessionOptions } from '../../lib/iscsi/session.ts';

/** What to prove: a LUN behind a target with CHAP, of exactly `expectedBytes`; with `serial` (the LUN's uuid) it must be that very one. */
export type LunClaim = {
  /** `address:port`. */
  readonly portal: string;
  readonly iqn: string;
  readonly user: string;
  readonly secret: string;
  readonly expectedBytes: number;
  /** Our own IQN. */
  readonly initiator: string;
  readonly serial?: string;
};

/** What the LUN said of itself. */
export type LunProof = { readonly vendor: string; readonly product: string; readonly serial: string; readonly bytes: number; readonly lun: number };

/** The targets that a portal shows to this initiator, by IQN. Throws `E_ISCSI_…`. */
export async function discoverTargets(host: Host, to: Omit<IscsiAddress, 'iqn'>, options: SessionOptions = {}): Promise<readonly string[]> {
  const discovery: IscsiAddress = { portal: to.portal, initiator: to.initiator, ...(to.user === undefined || to.secret === undefined ? {} : { user: to.user, secret: to.secret }) };
  const shown = await withSession(host, discovery, (session) => session.sendTargets(), options);
  return shown.map((target) => target.iqn);
}

/**
 * Opens a session like a node would, with a clearer error where the portal can't offer the target: what discovery shows tells apart
 * a name it does not know (or a target switched off: LIO answers 0x0301 to both, tgt 0x0203 to the first), an initiator that is
 * shown nothing at all (`E_ISCSI_ACL`; LIO answers 0x0202 at once and shows the target, tgt 0x0203), and a target that is there but ailing.
 */
export async function withTarget<T>(host: Host, to: IscsiAddress, use: (session: IscsiSession) => Promise<T>, options: SessionOptions = {}): Promise<T> {
  try {
    return await withSession(host, to, use, options);
  } catch (error) {
    const status = error instanceof FirstlightError ? /\((0x0203|0x0301)\)$/.exec(error.message)?.[1] : undefined;
    if (status === undefined) throw error;
    const shown = await discoverTargets(host, { portal: to.portal, initiator: to.initiator }, options.deadlineMs === undefined ? {} : { deadlineMs: options.deadlineMs }).catch(() => undefined);
    if (!shown || shown.includes(to.iqn ?? '')) throw error;
    if (shown.length === 0 && status === '0x0203') throw iscsiProblem('acl', to, 'there is no such target, and discovery shows this initiator none at all (0x0203)');
    throw iscsiProblem('target', to, `the portal knows no such target, or it is switched off: discovery shows ${shown.length === 0 ? 'none' : shown.join(', ')} (${status})`);
  }
}

/**
 * Proves a LUN by a real login: CHAP is asked for and accepted, a disk is there, of the right size. Reads only; logs out.
 * Throws `E_ISCSI_CONNECT`, `_PORTAL`, `_TARGET`, `_AUTH`, `_ACL`, `_LUN` or `_PROTOCOL`, each with what to do.
 */
export async function proveLun(host: Host, claim: LunClaim, options: SessionOptions = {}): Promise<LunProof> {
  const proof = await withTarget(host, claim, async (session) => {
    if (!session.chap) throw iscsiProblem('auth', claim, 'the target lets anybody in: it does not ask for CHAP');
    const lun = await firstDisk(session);
    const { vendor, product } = await inquiry(session, lun);
    const { blocks, blockBytes } = await readCapacity(session, lun);
    return { vendor, product, serial: await serialNumber(session, lun), bytes: blocks * blockBytes, lun };
  }, options);
  if (proof.bytes !== claim.expectedBytes) throw iscsiProblem('lun', claim, `the LUN has ${proof.bytes} bytes, the cluster file says ${claim.expectedBytes}`);
  if (claim.serial !== undefined && claim.serial !== proof.serial) throw iscsiProblem('lun', claim, `the disk behind the target is ${proof.serial}, not ${claim.serial}`);
  return proof;
}

/** The first logical unit that is a disk: a Synology starts at 1, other targets keep a controller or nothing at 0. */
export async function firstDisk(session: IscsiSession): Promise<number> {
  for (const lun of await reportLuns(session)) if ((await inquiry(session, lun)).disk) return lun;
  throw iscsiProblem('lun', session.to, 'no disk is behind this target');
}
