import { writeFile } from 'node:fs/promises';
import { join, relative, resolve } from 'node:path';
import { openHomelab, type Homelab } from '../../gitops/secrets/homelab.ts';
import { readIdentities } from '../../gitops/secrets/identity.ts';
import { problem } from '../../lib/errors.ts';
import { findHomelab } from '../../nodes/find.ts';
import { BUNDLED } from '../open-cluster.ts';
import { provideTools } from '../provide-tools.ts';
import type { Session } from '../session.ts';
import { secretLines } from '../terminal/secret-input.ts';

/** Opens the homelab repository that the person stands in, with sops at hand and his age identity unlocked. */
export async function openDesk(session: Session): Promise<Homelab> {
  const root = await findHomelab(process.cwd(), BUNDLED);
  await provideTools(session, ['sops']);
  return openHomelab(session.host, root);
}

/** A file that the person names from where he stands, as a path from the repository's root. Throws `E_SECRETS_OUTSIDE`. */
export function fromRoot(homelab: Homelab, path: string | undefined): string {
  if (path === undefined) throw problem('E_USAGE_SECRET', 'no file was named', 'Name it: firstlight secrets set apps/gandalf/podinfo-token.sops.yaml token.');
  const whole = relative(homelab.root, resolve(process.cwd(), path));
  if (!/^\.\.(\/|$)/.test(whole) && whole !== '') return whole;
  throw problem('E_SECRETS_OUTSIDE', `${path} is not in the repository ${homelab.root}`, 'Name a file of your homelab repository.');
}

/** Asks for the offline key, or shares of it, and lets sops open files with it for this command. */
export async function takePaper(session: Session): Promise<void> {
  const { host } = session;
  const identities = await readIdentities(await secretLines('The offline key, or its shares (not shown; end with an empty line):', host.signal));
  for (const { identity } of identities) host.mask.add(identity);
  const opened = join(host.scratch, 'paper.txt');
  await writeFile(opened, identities.map(({ identity }) => `${identity}\n`).join(''), { mode: 0o600 });
  session.environment['SOPS_AGE_KEY_FILE'] = opened;
}
