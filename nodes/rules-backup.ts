import { present, type Draft, type Fault } from './fault.ts';

const KINDS = ['folder', 'sftp', 's3'] as const;

/** Each place is of one kind, and has a name of its own. */
export function* placesGood(draft: Draft): Iterable<Fault> {
  const names = new Map<string, number>();
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
  }
}
