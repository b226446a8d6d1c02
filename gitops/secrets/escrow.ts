import { existsSync } from 'node:fs';
import { realpath } from 'node:fs/promises';
import { basename, dirname, join, relative, resolve } from 'node:path';
import { generateX25519Identity, identityToRecipient } from 'age-encryption';
import { problem } from '../../lib/errors.ts';
import { readIfThere, writeWhole } from '../../lib/files.ts';
import type { Host } from '../../lib/host.ts';
import type { Homelab } from './homelab.ts';
import { escrowPages, type EscrowPage } from './page.ts';
import { ownGit } from './own-git.ts';
import { rekeyAll } from './rekey.ts';
import { splitIdentity, type Splitting } from './shares.ts';

/** What a new escrow left behind: the page to print, and the files of the work tree that changed. */
export type Escrow = { readonly page: string; readonly recipient: string; readonly paths: readonly string[] };

/**
 * Makes a new offline identity, writes it once, as a page to print (0600), and nowhere else; then puts its recipient in the place
 * of the inventories' offline ones and encrypts every file anew. The page comes first: a run that is cut off loses nothing and may
 * be run again (the older page is then worthless, and says its recipient). Nothing is committed.
 * `replace` names the recipient whose place it takes, where a cluster has several offline ones; the others stay. Throws
 * `E_ESCROW_PAGE` where the page would lie in the repository or over a file, `E_ESCROW_NO_OFFLINE`, `E_SOPS_…`.
 */
export async function makeEscrow(host: Host, homelab: Homelab, how: { readonly page: string; readonly split?: Splitting; readonly replace?: string }): Promise<Escrow> {
  const page = resolve(how.page);
  const folder = await realpath(dirname(page)).catch(() => { throw problem('E_ESCROW_PAGE', `the folder ${dirname(page)} is not there`, 'Make it, or name another place: --print /dev/shm/escrow.html.'); });
  const top = await realpath((await ownGit(host, homelab.root, ['rev-parse', '--show-toplevel'])).stdout.replace(/\n$/, ''));
  if (!/^\.\.(\/|$)/.test(relative(top, folder))) {
    throw problem('E_ESCROW_PAGE', `the page must not lie in the repository (${page})`, 'Name a place outside of it, best in memory: --print /dev/shm/escrow.html.');
  }
  if (existsSync(page)) throw problem('E_ESCROW_PAGE', `${page} is there already`, 'Nothing is overwritten: it may be the only copy of a key. Name another file.');
  const old = homelab.clusters.map((cluster) => ({ cluster, offline: cluster.secrets.recipients.filter((one) => one.role === 'offline' && (how.replace === undefined || one.name === how.replace)) }));
  const several = old.find(({ offline }) => offline.length > 1);
  if (several) throw problem('E_ESCROW_NO_OFFLINE', `${several.cluster.name} has the offline recipients ${several.offline.map((one) => one.name).join(' and ')}`, 'Say with --replace NAME whose place the new key takes; the others stay.');
  const without = old.filter(({ offline }) => offline.length === 0).map(({ cluster }) => cluster.name);
  if (old.length === 0 || without.length > 0) {
    throw problem('E_ESCROW_NO_OFFLINE', `no offline recipient${how.replace === undefined ? '' : ` ${how.replace}`} is named by ${without.join(', ') || 'any cluster'}`, 'Add one under secrets.recipients (role: offline, any valid age key: it is replaced), then run again.');
  }
  const identity = await generateX25519Identity();
  host.mask.add(identity);
  const recipient = await identityToRecipient(identity);
  const common = { recipient, homelab: basename(homelab.root), clusters: homelab.clusters.map((cluster) => cluster.name), date: new Date(host.clock.now()).toISOString().slice(0, 10) };
  const lines = how.split ? await splitIdentity(identity, how.split) : [identity];
  const { split } = how;
  await writeWhole(page, escrowPages(lines.map((line, index): EscrowPage => ({ ...common, line, ...(split ? { share: { number: index + 1, ...split } } : {}) }))), 0o600);
  const instead = new Map(old.flatMap(({ offline }) => offline.map((one) => [one.key, recipient] as const)));
  const rekeyed = await rekeyAll(host, homelab, instead);
  const named = await replaceRecipients(homelab, instead);
  return { page, recipient, paths: [...rekeyed, ...named] };
}

/** Puts recipients in the place of others in every cluster.yaml and .sops.yaml, to the letter, all else untouched; gives what changed. */
export async function replaceRecipients(homelab: Homelab, instead: ReadonlyMap<string, string>): Promise<string[]> {
  const files = [...homelab.clusters.map((cluster) => relative(homelab.root, join(cluster.folder, 'cluster.yaml'))), '.sops.yaml'];
  const changed: string[] = [];
  for (const path of files) {
    const text = await readIfThere(join(homelab.root, path));
    if (text === undefined) continue;
    const after = [...instead].reduce((made, [old, one]) => made.replaceAll(old, one), text);
    if (after === text) continue;
    await writeWhole(join(homelab.root, path), after);
    changed.push(path);
  }
  return changed;
}
