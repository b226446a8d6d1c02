import { z } from 'zod';
import { FirstlightError } from '../../lib/errors.ts';
import { dsmProblem } from './errors.ts';
import type { Dsm } from './session.ts';
import { listOrNone, textOrNone } from './shapes.ts';

/**
 * A host of DSM 7's SAN Manager: initiators, and what they may do with which LUN (`rw`, `r`, …). Seen of the API by others:
 * `list`, and `map_initiator` in a compound request, which adds (reference: DSM 7 scripts in public). No way to make a host,
 * to set a permission or to take an initiator away is known, so firstlight does none of these.
 */
export type DsmHost = z.infer<typeof hostShape>;

const hostShape = z.looseObject({
  host_id: z.union([z.string(), z.number()]).transform(String), name: textOrNone,
  initiator_ids: listOrNone(z.string()),
  acls: listOrNone(z.looseObject({ lun_uuid: z.string(), permission: z.string() })),
});

const API = 'SYNO.Core.ISCSI.Host';
const COMPOUND = 'SYNO.Entry.Request';

const compoundShape = z.looseObject({
  has_fail: z.boolean().optional(),
  result: z.array(z.looseObject({ success: z.boolean().optional(), error: z.looseObject({ code: z.number() }).optional() })).default([]),
});

/** All hosts; none where this DSM has no such API (DSM 6) or answers it otherwise: a login that masking refuses still tells. Throws `E_DSM_…`. */
export async function listHosts(dsm: Dsm): Promise<readonly DsmHost[]> {
  if (!dsm.has(API)) return [];
  try {
    const data = await dsm.call(API, 'list', { additional: ['acls'] }, z.looseObject({ hosts: listOrNone(hostShape) }));
    return data.hosts;
  } catch (error) {
    if (error instanceof FirstlightError && /^E_DSM_(NO_METHOD|VERSION|REQUEST|ANSWER)$/.test(error.code)) return [];
    throw error;
  }
}

/** Adds one initiator to a host. The caller looks afterwards what became of it. Throws `E_DSM_…`. */
export async function addInitiator(dsm: Dsm, hostId: string, iqn: string): Promise<void> {
  const call = { api: API, method: 'map_initiator', version: 1, host_id: hostId, initiator_ids: [iqn] };
  const answer = await dsm.call(COMPOUND, 'request', { stop_when_error: true, mode: 'sequential', compound: [call] }, compoundShape);
  const failed = answer.result.find((each) => each.success === false || each.error !== undefined);
  if (failed || answer.has_fail === true) throw dsmProblem(failed?.error?.code ?? 100, API, 'map_initiator', dsm.address);
}
