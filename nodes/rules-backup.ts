import { posix } from 'node:path';
import { present, type Draft, type Fault } from './fault.ts';

const KINDS = ['folder', 'sftp', 's3'] as const;

/** Each place is of one kind, has a name of its own, and leads somewhere of its own. */
export function* placesGood(draft: Draft): Iterable<Fault> {
  const names = new Map<string, number>();
  const leads = new Map<string, number>();
  for (const [index, place] of present(draft.backup?.places)) {
    const path = ['backup', 'places', index];
    // What is malformed has been told already, and its kind is known by its key all the same.
    const kinds = KINDS.filter((kind) => kind in place);
    if (kinds.length !== 1) {
      yield { code: 'E_INVENTORY_PLACE_KIND', path: kinds[1] === undefined ? path : [...path, kinds[1]], at: 'key', message: `backup.places[${index}]: it is ${kinds.length === 0 ? 'of no kind' : `both ${kinds.join(' and ')}`}`, hint: 'Give each place exactly one of folder, sftp and s3.' };
    }
    const first = place.name === undefined ? undefined : names.get(place.name);
    if (first !== undefined) yield { code: 'E_INVENTORY_PLACE_TWICE', path: [...path, 'name'], message: `backup.places[${index}].name: backup.places[${first}] is called ${place.name} already`, hint: 'Give each place a name of its own.' };
    else if (place.name !== undefined) names.set(place.name, index);
    const lead = leadOf(place);
    const same = lead === undefined ? undefined : leads.get(lead);
    if (same !== undefined) yield { code: 'E_INVENTORY_PLACE_SAME', path: [...path, kinds[0]!], message: `backup.places[${index}] leads where backup.places[${same}] does`, hint: 'Give each place a folder or bucket of its own: one archive would go to the same one twice, which is refused.' };
    else if (lead !== undefined) leads.set(lead, index);
  }
}

type PlaceDraft = NonNullable<NonNullable<NonNullable<Draft['backup']>['places']>[number]>;

/** Where a place leads, as far as the file tells. */
function leadOf({ folder, sftp, s3 }: PlaceDraft): string | undefined {
  if (folder !== undefined) return posix.normalize(folder);
  if (sftp?.url !== undefined) return sftp.url;
  return s3?.bucket === undefined ? undefined : ['s3', s3.endpoint ?? '', s3.bucket, s3.prefix ?? ''].join(' ');
}
