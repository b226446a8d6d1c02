import { z } from 'zod';
import { problem } from '../../lib/errors.ts';
import type { Host } from '../../lib/host.ts';
import { fingerprint } from '../../lib/ssh.ts';
import { DIALECTS, type ListedKey } from './dialects.ts';
import { askApi, readToken } from './request.ts';
import type { HostedRepository } from './repository.ts';

/** Pages of one repository's keys that are looked through. */
const MOST_PAGES = 50;

const Page = z.array(z.looseObject({
  key: z.string(), title: z.string(), read_only: z.boolean().optional(), can_push: z.boolean().optional(), enabled: z.boolean().optional(), expires_at: z.string().nullish(),
}));

/** What the key is called on the git host: the cluster's name, and some of its fingerprint, since titles may not be used twice. `key` is a public line. */
export function deployKeyTitle(cluster: string, key: string): string {
  return `firstlight ${cluster} ${keyFingerprint(key).slice(0, 15)}`;
}

/** `SHA256:…` of a public line (`ssh-ed25519 AAAA… comment`), as git hosts show it. */
export function keyFingerprint(key: string): string {
  return fingerprint(Buffer.from(key.split(/\s+/)[1] ?? '', 'base64'));
}

/**
 * Sees to it that the repository has the public key as a deploy key with write access: lists first, takes an equal one that may
 * write as it is, else adds it and looks again. Nothing that is there is changed or deleted. Throws `E_DEPLOY_KEY_READ_ONLY`,
 * `E_DEPLOY_KEY_OVER` (expired or switched off), `E_GIT_TOKEN` and `E_GIT_API_…`.
 */
export async function ensureDeployKey(host: Host, repository: HostedRepository, key: { readonly public: string; readonly title: string }, given: string): Promise<'added' | 'there'> {
  const token = readToken(host, given);
  if (usable(host, repository, await findKey(host, repository, token, key.public))) return 'there';
  await askApi(host, repository, token, { post: DIALECTS[repository.kind].body(key.title, key.public) });
  if (usable(host, repository, await findKey(host, repository, token, key.public))) return 'added';
  throw problem('E_GIT_API_BROKEN', `${DIALECTS[repository.kind].product} took the key, but does not list it`, 'Run it again; if that is no better, add the key by hand: `firstlight git-key` shows it.');
}

async function findKey(host: Host, repository: HostedRepository, token: string, wanted: string): Promise<ListedKey | undefined> {
  const { paging, product } = DIALECTS[repository.kind];
  let seen = 0;
  for (let page = 1; page <= MOST_PAGES; page += 1) {
    const { body, headers } = await askApi(host, repository, token, { query: `${paging}&page=${page}` });
    const keys = Page.safeParse(body);
    if (!keys.success) throw problem('E_GIT_API_BROKEN', `${repository.api} does not list deploy keys as ${product} does`, 'See gitops.host in cluster.yaml: its kind, and the API’s address.');
    const found = keys.data.find((each) => sameKey(each.key, wanted));
    if (found) return found;
    seen += keys.data.length;
    // GitHub and GitLab tell of a next page in Link (RFC 8288), Gitea how many there are in all.
    const more = /rel="?next"?/.test(headers.get('link') ?? '') || Number(headers.get('x-total-count') ?? 0) > seen;
    if (!more || keys.data.length === 0) return undefined;
  }
  return undefined;
}

/** Type and key of a public line; what comes after is a comment. */
function sameKey(one: string, other: string): boolean {
  const plain = (line: string): string => line.trim().split(/\s+/).slice(0, 2).join(' ');
  return plain(one) === plain(other);
}

/** Whether there is a key that Flux can push with. */
function usable(host: Host, { kind, page, name }: HostedRepository, key: ListedKey | undefined): boolean {
  if (!key) return false;
  const { mayWrite, mend, product } = DIALECTS[kind];
  const title = host.mask.hide(key.title).slice(0, 100);
  if (key.enabled === false || (key.expires_at && Date.parse(key.expires_at) <= host.clock.now())) {
    throw problem('E_DEPLOY_KEY_OVER', `${name} has this key already ("${title}"), but ${key.enabled === false ? 'it is switched off' : `it expired on ${key.expires_at?.slice(0, 10)}`}`,
      key.enabled === false ? `The organization’s policy forbids deploy keys: have it changed, in ${product}’s settings of the organization.` : `Delete it there, then run again: ${page}`);
  }
  if (mayWrite(key)) return true;
  throw problem('E_DEPLOY_KEY_READ_ONLY', `${name} has this key already ("${title}"), but for reading only, and Flux’s bootstrap pushes`, `At ${page.replace(/\/new$/, '')} ${mend}; then run again.`);
}
