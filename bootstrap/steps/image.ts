import { join } from 'node:path';
import { readLock, updateLock } from '../../lib/lock-file.ts';
import { ensureImage, observeImage, type Image, type ImageRequest } from '../../talos/image.ts';
import { postSchematic } from '../../talos/schematic.ts';
import type { Host } from '../../lib/host.ts';
import type { Facts } from '../facts.ts';
import type { Step } from '../step.ts';

/** Which image, for this cluster. */
function imageRequest(facts: Facts, host: Host): ImageRequest {
  const { image } = facts.cluster.talos;
  return {
    factory: facts.cluster.talos.factory,
    schematicId: facts.schematic.id,
    version: facts.cluster.talos.version,
    lockFile: facts.lockFile,
    cacheFolder: join(host.cache, 'images'),
    ...(image === undefined ? {} : { file: image }),
  };
}

/** The schematic, known to the factory under the id computed here. */
function schematicStep(facts: Facts): Step {
  return {
    id: 'schematic',
    part: 'Image',
    title: 'Schematic at the image factory',
    needs: [],
    async observe() {
      const pinned = (await readLock(facts.lockFile)).schematic;
      if (pinned === facts.schematic.id) return { state: 'done', detail: facts.schematic.id.slice(0, 12) };
      return { state: 'needed', why: pinned ? `the lock file pins ${pinned.slice(0, 12)}, the inventory makes ${facts.schematic.id.slice(0, 12)}` : 'not posted yet' };
    },
    async act(host) {
      await postSchematic(host, facts.cluster.talos.factory, facts.schematic.yaml);
      await updateLock(facts.lockFile, { schematic: facts.schematic.id });
    },
  };
}

/** The steps up to the image: an image given by hand asks no factory. */
export function imageSteps(facts: Facts): Step[] {
  return facts.cluster.talos.image === undefined ? [schematicStep(facts), imageStep(facts, ['schematic'])] : [imageStep(facts, [])];
}

/** The image in the cache (or given by hand), with the hash the lock file pins. */
function imageStep(facts: Facts, needs: readonly string[]): Step {
  return {
    id: 'image',
    part: 'Image',
    title: `Talos ${facts.cluster.talos.version} image`,
    needs,
    observe: (host) => observeImage(host, imageRequest(facts, host)),
    act: async (host) => { await ensureImage(host, imageRequest(facts, host)); },
  };
}

/** The image for the writer; downloads nothing when the image step is done. */
export function openImage(facts: Facts, host: Host): Promise<Image> {
  return ensureImage(host, imageRequest(facts, host));
}
