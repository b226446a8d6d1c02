import { access, constants } from 'node:fs/promises';
import { isAbort, problem } from '../lib/errors.ts';
import type { Host } from '../lib/host.ts';
import { eitherSignal } from '../lib/signals.ts';
import { missingImage } from '../nodes/cards/image-errors.ts';

const LONGEST_MS = 10_000;

/**
 * Looks whether the image factory answers and has this Talos version (`1.11.0`), by its list (siderolabs/image-factory:docs/api.md,
 * `GET /versions`). Throws `E_FACTORY`, `E_FACTORY_VERSION` with the nearest that it has, the abort.
 */
export async function requireVersion(host: Host, factory: string, version: string): Promise<void> {
  const versions = await list(host, factory);
  if (versions.includes(`v${version}`)) return;
  const minor = version.split('.').slice(0, 2).join('.');
  const near = versions.filter((each) => each.startsWith(`v${minor}.`) && !each.includes('-'));
  throw problem('E_FACTORY_VERSION', `the image factory at ${factory} has no Talos v${version}`,
    `${near.length === 0 ? `It has none of ${minor} at all.` : `Of ${minor} it has ${near.join(', ')}.`} Mend talos.version in cluster.yaml.`);
}

/** Looks whether an image given by hand is there and may be read. Throws `E_IMAGE_MISSING`, `E_IMAGE_ACCESS`. */
export async function requireImageFile(path: string): Promise<void> {
  await access(path, constants.R_OK).catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code !== 'EACCES') throw missingImage({ path, given: true }, error);
    throw problem('E_IMAGE_ACCESS', `the image ${path} may not be read by you`, 'Give yourself the right to read it, or name another as talos.image in cluster.yaml.', { cause: error });
  });
}

async function list(host: Host, factory: string): Promise<readonly string[]> {
  const unusable = (why: string, cause?: unknown): Error => problem('E_FACTORY', `the image factory at ${factory} ${why}`,
    'See whether the network is up and talos.factory in cluster.yaml is an image factory; without one, give an image by hand as talos.image.', { cause });
  const answer = await host.fetch(`${factory.replace(/\/+$/, '')}/versions`, { signal: eitherSignal(host.signal, AbortSignal.timeout(LONGEST_MS)) }).catch((error: unknown) => {
    host.signal.throwIfAborted();
    throw unusable(isAbort(error) || (error as Error).name === 'TimeoutError' ? `gave no answer within ${LONGEST_MS / 1000} s` : 'cannot be reached', error);
  });
  if (!answer.ok) throw unusable(`answered ${answer.status}`);
  const versions: unknown = await answer.json().catch((error: unknown) => { host.signal.throwIfAborted(); throw unusable('answered something else than a list of versions', error); });
  if (!Array.isArray(versions) || !versions.every((each) => typeof each === 'string')) throw unusable('answered something else than a list of versions');
  return versions;
}
