import { readCredentials } from '../../bootstrap/credentials.ts';
import { openVault } from '../../gitops/vault/client.ts';
import { moveToSops, moveToVault, readersWithVault, type Reader } from '../../gitops/vault/move.ts';
import { problem } from '../../lib/errors.ts';
import type { Session } from '../session.ts';
import { finish, makeReady } from './secrets-change.ts';
import { fromRoot, openDesk } from './secrets-desk.ts';

/** `firstlight secrets move PATH KEY --to vault|sops`: one value from its SOPS file into the vault, or back; the inventory's line with it. */
export async function moveSecret(session: Session, path: string | undefined, options: Record<string, unknown>, words: readonly string[]): Promise<number> {
  const { host, view } = session;
  const desk = await openDesk(session);
  const file = fromRoot(desk, path);
  const key = words[1];
  const to = options['to'];
  if (key === undefined) throw problem('E_USAGE_SECRET', 'no key was named', `Name it: firstlight secrets move ${file} token --to vault.`);
  if (to !== 'vault' && to !== 'sops') throw problem('E_USAGE_STORE', 'it was not said where to', `Say it: firstlight secrets move ${file} ${key} --to vault, or --to sops.`);
  const homelab = await makeReady(session, desk, options['push'] === true, file);
  const readers: Reader[] = [];
  for (const { cluster, vault } of readersWithVault(homelab, file)) {
    readers.push({ cluster, vault, client: await openVault(host, vault, options['az'] ? 'az' : await readCredentials(host, cluster)) });
  }
  const name = options['name'];
  const move = { path: file, key, replace: options['replace'] === true, ...(typeof name === 'string' ? { name } : {}) };
  const { paths, secret } = await (to === 'vault' ? moveToVault : moveToSops)(host, homelab, readers, move);
  const where = readers.map(({ vault }) => vault.url).join(', ');
  view.say(to === 'vault' ? `${key} of ${file} is in ${where} as ${secret.name}, read back and the same.` : `${key} is in ${file} again, opened and the same.`);
  const finished = await finish(session, homelab, to === 'vault' ? `Keep ${key} of ${file} in the vault` : `Keep ${key} in ${file}`, paths, options['push'] === true);
  host.emit({ code: 'secrets.moved', data: { path: file, key, to, name: secret.name, ...finished } });
  view.say(to === 'vault' ? 'What older commits hold stays readable with the keys of their time: a value that must not be, change it in the vault.'
    : `${secret.name} is still in ${where}: delete it there when Flux has applied the commit.`);
  return 0;
}
