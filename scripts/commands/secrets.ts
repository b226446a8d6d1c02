import { join, resolve } from 'node:path';
import { valueAges } from '../../gitops/secrets/ages.ts';
import { forgiveHistory, historyFaults, stagedFaults, workTreeFaults } from '../../gitops/secrets/check.ts';
import { installHook } from '../../gitops/secrets/hook.ts';
import { openHomelab, readersOf, secretFiles, type Homelab } from '../../gitops/secrets/homelab.ts';
import { inVault } from '../../gitops/vault/look.ts';
import { ManyErrors, problem } from '../../lib/errors.ts';
import type { StoredSecret } from '../../nodes/cluster.ts';
import { findHomelab } from '../../nodes/find.ts';
import { BUNDLED, HOME } from '../open-cluster.ts';
import type { Session } from '../session.ts';

const MANY = 90;

/** `firstlight secrets list`: every encrypted file, for which clusters, its keys and their age, and what is kept in a vault; no value is read. */
export async function listSecrets(session: Session, _argument: string | undefined, options: Record<string, unknown>): Promise<number> {
  const homelab = await here(session);
  const files = (await secretFiles(session.host, homelab)).flatMap((file) => (file.content.kind === 'encrypted' ? [{ ...file, content: file.content }] : []));
  const ages = new Map((await valueAges(session.host, homelab, files)).map((age) => [`${age.path} ${age.key}`, age]));
  const rows = files.map(({ path, content }) => ({
    path, clusters: readersOf(homelab, path).map((cluster) => cluster.name), recipients: content.recipients.length,
    keys: content.keys.map(({ path: key }) => { const { days, atLeast } = ages.get(`${path} ${key}`) ?? {}; return { key, days, atLeast }; }),
  }));
  const vaults = homelab.clusters.flatMap(({ name, vault }) => (vault ? [{ url: vault.url, cluster: name, secrets: inVault(vault) }] : []));
  if (options['json']) process.stdout.write(`${JSON.stringify({ code: 'secrets', data: rows, vaults })}\n`);
  else process.stdout.write(`${[...rows.map(({ path, clusters, recipients, keys }) => [`${path}  (${clusters.join(', ')}; ${recipients} can open it)`, ...keys.map((age) => `  ${age.key.padEnd(40)} ${inDays(age)}`)].join('\n')), ...vaults.map(vaultText)].join('\n\n') || 'No secrets yet: firstlight secrets set PATH KEY makes one.'}\n`);
  return 0;
}

/** The age of what is in a vault only the vault knows: `firstlight check` asks it. */
function vaultText({ url, cluster, secrets }: { readonly url: string; readonly cluster: string; readonly secrets: readonly StoredSecret[] }): string {
  return [`${url}  (${cluster})`, ...secrets.map(({ name, namespace, secret, key }) => `  ${name.padEnd(40)} ${namespace}/${secret}.${key}`)].join('\n');
}

/** `firstlight secrets check`: every secret encrypted, for the right people, none in the clear, in the work tree and the history. Throws `E_SECRETS` with all of it. */
export async function checkSecrets(session: Session, _argument: string | undefined, options: Record<string, unknown>): Promise<number> {
  const { host, view } = session;
  const homelab = await here(session);
  if (options['hook']) {
    const hook = await installHook(host, homelab.root, join(HOME, 'firstlight'));
    view.say(`${hook} runs this check before each commit.`);
    host.emit({ code: 'secrets.hook', data: { path: hook } });
    return 0;
  }
  if (options['forgive']) await forgiveHistory(host, homelab);
  const faults = options['staged'] ? await stagedFaults(host, homelab, indexOfGit()) : [...await workTreeFaults(host, homelab), ...await historyFaults(host, homelab)];
  if (faults.length > 0) throw new ManyErrors('E_SECRETS', `${faults.length === 1 ? 'one fault' : `${faults.length} faults`} in the secrets of ${homelab.root}`, 'Each is told with what to do.', faults);
  if (!options['staged']) view.say('Every secret is encrypted, for the inventory’s recipients; none lies in the clear, here or in the history since the last look.');
  host.emit({ code: 'secrets.checked', data: { faults: 0 } });
  return 0;
}

/** The index of the commit that is being made: for `git commit -a` another than the usual one. */
function indexOfGit(): string | undefined {
  const file = process.env['GIT_INDEX_FILE'];
  return file ? resolve(file) : undefined;
}

/** `firstlight secrets ages [--days N]`: the values that have not changed for N days; exit code 2 where there are any. */
export async function oldSecrets(session: Session, days: number, json: boolean): Promise<number> {
  if (!Number.isInteger(days) || days < 0) throw problem('E_USAGE_DAYS', 'the number of days is none', 'Say it like --days 90.');
  const homelab = await here(session);
  const old = (await valueAges(session.host, homelab)).filter((age) => age.days !== undefined && age.days >= days);
  if (json) process.stdout.write(`${JSON.stringify({ code: 'secrets.old', data: old })}\n`);
  else process.stdout.write(`${old.map((age) => `${inDays(age).padStart(9)}  ${age.path}  ${age.key}`).join('\n') || `No value is older than ${days} days.`}\n`);
  return old.length > 0 ? 2 : 0;
}

/** The days of `--days`, or what suits most. */
export function daysOf(options: Record<string, unknown>): number {
  return options['days'] === undefined ? MANY : Number(options['days']);
}

async function here(session: Session): Promise<Homelab> {
  return openHomelab(session.host, await findHomelab(process.cwd(), BUNDLED));
}

function inDays({ days, atLeast }: { readonly days?: number | undefined; readonly atLeast?: true | undefined }): string {
  if (days === undefined) return 'not committed';
  if (atLeast) return `${days}+ days (the clone is shallow)`;
  return days === 0 ? 'today' : `${days} day${days === 1 ? '' : 's'}`;
}
