import { createFacts } from '../../bootstrap/facts.ts';
import { adoptLun } from '../../bootstrap/storage-adopt.ts';
import { viewStorage } from '../../bootstrap/storage-view.ts';
import { problem } from '../../lib/errors.ts';
import { openCluster } from '../open-cluster.ts';
import { provideTools } from '../provide-tools.ts';
import type { CommonOptions, Session } from '../session.ts';
import { storagePicture } from '../terminal/storage.ts';

/** `firstlight storage list [cluster]`: every LUN of the NAS with target, sessions, volume and claim; only reads. */
export async function listStorage(session: Session, argument: string | undefined, options: CommonOptions): Promise<number> {
  const cluster = await openCluster(argument);
  await provideTools(session, ['talosctl', 'kubectl', 'sops']);
  const view = await viewStorage(session.host, createFacts(cluster, session.host.scratch));
  process.stdout.write(options.json ? `${JSON.stringify({ code: 'storage', data: view })}\n` : `${storagePicture(view)}\n`);
  return 0;
}

/** `firstlight storage adopt [cluster] LUN`: the LUN, by name or uuid, into cluster.yaml, after proof that nobody else uses it. */
export async function adoptStorage(session: Session, _argument: string | undefined, options: CommonOptions, words: readonly string[] = []): Promise<number> {
  const wanted = words.at(-1);
  if (wanted === undefined || words.length > 2) throw problem('E_USAGE_LUN', 'adopt takes a cluster and one LUN', 'firstlight storage adopt CLUSTER NAME-OR-UUID; `firstlight storage list` shows them.');
  const cluster = await openCluster(words.length === 2 ? words[0] : undefined);
  await provideTools(session, ['sops']);
  const adoption = await adoptLun(session.host, createFacts(cluster, session.host.scratch), wanted);
  if (options.json) process.stdout.write(`${JSON.stringify({ code: 'storage.adopted', data: adoption })}\n`);
  else session.view.say([`LUN ${wanted} stands in ${adoption.file} as ${adoption.entry.name}. Nothing was changed on the NAS. Next:`, ...adoption.next.map((each) => `  → ${each}`)].join('\n'));
  return 0;
}
