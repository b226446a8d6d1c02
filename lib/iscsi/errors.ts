import { problem, type FirstlightError } from '../errors.ts';

/** The target's own user and secret, where it must prove itself to us too. */
export type MutualChap = { readonly user: string; readonly secret: string };

/** Whom an initiator speaks to and as whom; `user`/`secret` are CHAP's, left out where the target asks for none. */
export type IscsiAddress = {
  /** `address:port` of the portal. */
  readonly portal: string;
  /** The target's IQN; left out for discovery. */
  readonly iqn?: string;
  /** Our own IQN. */
  readonly initiator: string;
  /** Which of this machine's addresses to come from; the system chooses unless told. */
  readonly from?: string;
  readonly user?: string;
  readonly secret?: string;
};

/** What went wrong in which stage; each has one code. */
export type IscsiStage = 'connect' | 'portal' | 'target' | 'auth' | 'mutual' | 'acl' | 'lun' | 'reset' | 'protocol';

const HINTS: Readonly<Record<IscsiStage, string>> = {
  connect: 'See whether the NAS is on, SAN Manager runs, and address and iSCSI port in the cluster file are right.',
  portal: 'Something answers at that port, but not as a working iSCSI portal: see whether SAN Manager runs, the target is enabled, and the port is iSCSI’s (3260).',
  target: 'Compare the IQN in the cluster file with SAN Manager → iSCSI → the target, whether it is enabled, and how many sessions it allows.',
  auth: 'The CHAP user or secret in the credentials is not the target’s: write the right one into the credentials, or set it in SAN Manager → iSCSI → the target → Authentication.',
  mutual: 'The target did not prove who it is. Compare the mutual CHAP user and secret with SAN Manager → iSCSI → the target → Authentication (the two secrets must differ); if they are right, another machine may answer at that address: write nothing to it.',
  acl: 'This initiator is not allowed, or the IQN is wrong: look at the target’s hosts (masking) in SAN Manager and allow this initiator or all, and compare the IQN.',
  lun: 'See in SAN Manager whether the LUN is mapped to this target, in order, and of the size the cluster file says.',
  reset: 'The session broke off under way: see in SAN Manager’s log whether the NAS restarted, the target was switched off, or another host took its place, and see to the network between; then run this again.',
  protocol: 'The target answers in a way firstlight does not know: note the DSM version and report it.',
};

/** The coded error of a stage (`E_ISCSI_CONNECT`, `_PORTAL`, `_TARGET`, `_AUTH`, `_MUTUAL`, `_ACL`, `_LUN`, `_RESET`, `_PROTOCOL`); never holds the secret. */
export function iscsiProblem(stage: IscsiStage, to: IscsiAddress, what: string, cause?: unknown): FirstlightError {
  const target = to.iqn === undefined ? '' : ` (${to.iqn})`;
  return problem(`E_ISCSI_${stage.toUpperCase()}`, `iSCSI at ${to.portal}${target}: ${what}`, HINTS[stage], cause === undefined ? {} : { cause });
}

type Status = { readonly stage: IscsiStage; readonly what: string };

/** Status class and detail of a login response (RFC 7143, 11.13.5). LIO sends 0x0202 for an initiator outside the ACL, tgt 0x0203. */
const STATUS: Readonly<Record<number, Status>> = {
  0x0101: { stage: 'portal', what: 'the target moved for now to another portal' },
  0x0102: { stage: 'portal', what: 'the target moved for good to another portal' },
  0x0200: { stage: 'protocol', what: 'the target says that we err' },
  0x0201: { stage: 'auth', what: 'CHAP was refused' },
  0x0202: { stage: 'acl', what: 'this initiator may not use the target' },
  0x0203: { stage: 'target', what: 'there is no such target' },
  0x0204: { stage: 'target', what: 'the target was removed' },
  0x0205: { stage: 'protocol', what: 'the target does not speak our version' },
  0x0206: { stage: 'target', what: 'the target has as many sessions as it allows' },
  0x0207: { stage: 'protocol', what: 'the target misses a parameter' },
  0x0208: { stage: 'target', what: 'the target can’t take this connection into a session' },
  0x0209: { stage: 'protocol', what: 'the target does not know this kind of session' },
  0x020a: { stage: 'protocol', what: 'the target knows no such session' },
  0x020b: { stage: 'protocol', what: 'the target did not expect this in a login' },
  0x0300: { stage: 'target', what: 'the target has an error of its own' },
  0x0301: { stage: 'target', what: 'the target is not in service now' },
  0x0302: { stage: 'target', what: 'the target is out of resources' },
};

/** Every login status with its stage, for tests and documentation. */
export const loginStatuses = STATUS;

/** The error for a login status other than 0. */
export function loginProblem(status: number, to: IscsiAddress): FirstlightError {
  const hex = `0x${status.toString(16).padStart(4, '0')}`;
  const known = STATUS[status] ?? { stage: 'protocol' as const, what: 'the login was refused' };
  return iscsiProblem(known.stage, to, `${known.what} (${hex})`);
}
