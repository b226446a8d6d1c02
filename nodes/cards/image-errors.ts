import { problem } from '../../lib/errors.ts';
import type { CardImage } from './types.ts';

type ImageFile = Pick<CardImage, 'path' | 'given'>;

/** `E_IMAGE_CORRUPT`: the image `what` ("has no partition META"). `after` tells what became of the cards. */
export function corruptImage(image: ImageFile, what: string, extra: { readonly after?: string; readonly cause?: unknown } = {}): Error {
  const hint = image.given ? 'Put a whole one there, or take talos.image out of cluster.yaml: then it is downloaded.' : 'Remove it and run again: it is downloaded anew.';
  return problem('E_IMAGE_CORRUPT', `the image ${image.path} ${what}`, extra.after === undefined ? hint : `${hint} ${extra.after}`, { cause: extra.cause });
}

/** `E_IMAGE_MISSING`: it was there when it was chosen. */
export function missingImage(image: ImageFile, cause: unknown): Error {
  return problem('E_IMAGE_MISSING', `there is no image at ${image.path}`, image.given ? 'Put it there, or mend talos.image in cluster.yaml.' : 'Run again: it is downloaded anew.', { cause });
}
