import { z } from 'zod';
import type { Dsm } from './session.ts';
import { listOrNone, textOrNone } from './shapes.ts';

/**
 * A target as DSM lists it. `auth_type` 0 none, 1 CHAP, 2 mutual CHAP; `max_sessions` 0 is without limit, DSM's own start is
 * 1. `acls` is DSM 6's masking (DSM 7 keeps it with hosts, hosts.ts).
 */
export type DsmTarget = z.infer<typeof targetShape>;

/** CHAP as a target asks for it, and as it proves itself (`mutual`); secrets have 12 to 16 characters. */
export type Chap = { readonly user: string; readonly secret: string; readonly mutual?: { readonly user: string; readonly secret: string } };

const targetShape = z.looseObject({
  target_id: z.number(), name: z.string(), iqn: z.string(), auth_type: z.number(), user: textOrNone, mutual_user: textOrNone,
  max_sessions: z.number(), is_enabled: z.boolean().default(true),
  mapped_luns: listOrNone(z.looseObject({ lun_uuid: z.string(), mapping_index: z.number().optional() })),
  acls: listOrNone(z.looseObject({ iqn: z.string(), permission: z.string() })),
  connected_sessions: listOrNone(z.looseObject({ iqn: z.string(), ip: textOrNone })),
});

const API = 'SYNO.Core.ISCSI.Target';

/** All targets with what is mapped and who is connected. Throws `E_DSM_…`. */
export async function listTargets(dsm: Dsm): Promise<readonly DsmTarget[]> {
  const data = await dsm.call(API, 'list', { additional: ['mapped_lun', 'status', 'acls', 'connected_sessions'] }, z.looseObject({ targets: z.array(targetShape) }));
  return data.targets;
}

/** Makes a target with CHAP and without a limit of sessions; gives its id. Throws `E_DSM_…`. */
export async function createTarget(dsm: Dsm, target: { readonly name: string; readonly iqn: string; readonly chap: Chap }): Promise<number> {
  const data = await dsm.call(API, 'create', { name: target.name, iqn: target.iqn, ...chapParameters(target.chap), max_sessions: 0 }, z.looseObject({ target_id: z.number() }));
  return data.target_id;
}

/** Makes a target ask for CHAP with this user and secret, and prove itself where CHAP is to be mutual. Throws `E_DSM_…`. */
export async function setChap(dsm: Dsm, targetId: number, chap: Chap): Promise<void> {
  await dsm.call(API, 'set', { target_id: String(targetId), ...chapParameters(chap) }, z.unknown());
}

/** Lets any number of sessions open on a target (several nodes, one after another or side by side). Throws `E_DSM_…`. */
export async function allowSessions(dsm: Dsm, targetId: number): Promise<void> {
  await dsm.call(API, 'set', { target_id: String(targetId), max_sessions: 0 }, z.unknown());
}

/** Lets one session open on a target; those that are open stay, and a further initiator is refused by the NAS itself. Throws `E_DSM_…`. */
export async function allowOneSession(dsm: Dsm, targetId: number): Promise<void> {
  await dsm.call(API, 'set', { target_id: String(targetId), max_sessions: 1 }, z.unknown());
}

/** Switches a target on. Throws `E_DSM_…`. */
export async function enableTarget(dsm: Dsm, targetId: number): Promise<void> {
  await dsm.call(API, 'enable', { target_id: String(targetId) }, z.unknown());
}

function chapParameters({ user, secret, mutual }: Chap): Record<string, string | number> {
  return { auth_type: mutual ? 2 : 1, user, password: secret, ...(mutual ? { mutual_user: mutual.user, mutual_password: mutual.secret } : {}) };
}
