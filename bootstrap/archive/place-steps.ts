import { FirstlightError, ManyErrors } from '../../lib/errors.ts';
import type { Host } from '../../lib/host.ts';
import type { BackupPlace } from '../../nodes/cluster.ts';
import type { Facts } from '../facts.ts';
import type { Step } from '../step.ts';
import { withPlaces } from './open-places.ts';
import type { Place } from './places/place.ts';
import { prune } from './prune.ts';
import type { Room } from './room.ts';

/**
 * The archive brought to each place and older ones pruned in those that the inventory declares, places side by side; one that refuses keeps it from none of the others. The last
 * step throws ManyErrors `E_BACKUP_PLACES` where any did.
 */
export function placeSteps(facts: Facts, room: Room, places: readonly BackupPlace[], needs: readonly string[]): Step[] {
  const steps = places.map((declared) => placeStep(facts, room, declared, needs));
  return [...steps, allPlaced(room, places, steps.map(({ id }) => id))];
}

function placeStep(facts: Facts, room: Room, declared: BackupPlace, needs: readonly string[]): Step {
  const { name, kind } = declared;
  const governed = facts.cluster.backup.places.some((each) => each.name === name);
  const at = async <T>(host: Host, work: (place: Place) => Promise<T>): Promise<T> =>
    withPlaces(host, facts.cluster, [declared], await facts.credentials(host), ([place]) => work(place!));
  let where = '';
  return {
    id: `place:${name}`, title: `Backup in ${name}`, part: 'Places', needs,
    async observe() {
      const refused = room.refused.find((each) => each.place === name);
      if (refused) return { state: 'done', detail: `refused: ${refused.error.message}` };
      return room.placed.includes(name) ? { state: 'done', detail: where } : { state: 'needed', why: `to be brought to ${kind === 'folder' ? declared.path : name}` };
    },
    async act(host) {
      const { name: archive, file } = room.packed!;
      try {
        await at(host, async (place) => {
          where = place.where;
          await place.put(archive, file);
          room.placed.push(name);
          // One that lacks something takes no whole one's place, and what the policy is not declared for is its owner's.
          const drop = room.missing.length > 0 || !governed ? [] : (await prune(host, place, facts.cluster.backup.keep, archive)).drop;
          where = drop.length === 0 ? place.where : `${place.where}; ${drop.length} older taken away`;
        });
      } catch (error) {
        host.signal.throwIfAborted();
        if (!(error instanceof FirstlightError)) throw error;
        room.refused.push({ place: name, error });
        host.emit({ code: 'backup.refused', message: `${name} is without this backup or its pruning: ${error.message}` });
      }
    },
  };
}

function allPlaced(room: Room, places: readonly BackupPlace[], needs: readonly string[]): Step {
  return {
    id: 'placed', title: 'In every place', part: 'Places', needs,
    async observe() {
      if (room.refused.length > 0) {
        throw new ManyErrors('E_BACKUP_PLACES', `${room.refused.length} of ${places.length} places refused; ${room.placed.length === 0 ? 'no place has this backup' : `${room.placed.join(', ')} ${room.placed.length === 1 ? 'has' : 'have'} it`}`,
          'Mend each and run `firstlight backup` again.', room.refused.map(({ error }) => error));
      }
      return { state: 'done', detail: room.placed.join(', ') };
    },
    act: async () => {},
  };
}
