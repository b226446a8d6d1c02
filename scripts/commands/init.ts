import { basename, join, relative, resolve } from 'node:path';
import { generateX25519Identity, identityToRecipient } from 'age-encryption';
import { planInit, runInit, type InitPlan } from '../../bootstrap/init.ts';
import { readIdentities } from '../../gitops/secrets/identity.ts';
import { problem } from '../../lib/errors.ts';
import { readIfThere, writeWhole } from '../../lib/files.ts';
import { HOME } from '../open-cluster.ts';
import { provideTools } from '../provide-tools.ts';
import type { Session } from '../session.ts';
import { identityFile } from '../identity.ts';

/** `firstlight init DIR`: a homelab repository with one cluster, or one cluster more in the repository that is there. */
export async function initCommand(session: Session, folder: string | undefined, options: Record<string, unknown>): Promise<number> {
  const { host, view } = session;
  if (folder === undefined) throw problem('E_USAGE_INIT', 'no folder was named', 'Name it: firstlight init homelab.');
  const said = (name: string): string | undefined => (typeof options[name] === 'string' ? options[name] : undefined);
  const name = said('name') ?? await host.ask({ code: 'init.name', text: 'What is the cluster called? [gandalf]', fallback: 'gandalf' });
  const prefix = said('network') ?? await host.ask({ code: 'init.network', text: 'The first three numbers of its network? [192.168.77]', fallback: '192.168.77' });
  const url = said('git');
  await provideTools(session, ['sops']);
  const owner = await ownerRecipient(session);
  const plan = await planInit(host, { root: resolve(folder), template: join(HOME, 'examples', 'homelab'), name, prefix: prefix.replace(/\.$/, ''), owner, ...(url === undefined ? {} : { url }) });
  view.say(planText(plan, options['diff'] === true));
  const answer = await host.ask({ code: 'init.write', text: `Write these ${plan.files.length} files? [yes]`, fallback: 'yes' });
  if (!/^y(es)?$/i.test(answer)) throw problem('E_INIT_DECLINED', 'nothing was written', 'Run it again when you like.');
  const made = await runInit(host, plan);
  view.say(afterText(plan, made.gitKey, made.commit));
  return 0;
}

/** The person's own age recipient; a key is made for him, at sops's own place, where he has none. */
async function ownerRecipient(session: Session): Promise<string> {
  const { environment, host } = session;
  const path = identityFile(environment);
  const text = await readIfThere(path);
  if (text !== undefined) {
    const [own] = await readIdentities(text);
    if (own) return own.recipient;
  }
  const answer = await host.ask({ code: 'init.key', text: `You have no age key yet. Make one at ${path}? [yes]`, fallback: 'yes' });
  if (!/^y(es)?$/i.test(answer)) throw problem('E_INIT_KEY', 'there is no age key of yours', 'Make one with `age-keygen -o FILE` and set SOPS_AGE_KEY_FILE to it.');
  const identity = await generateX25519Identity();
  host.mask.add(identity);
  const recipient = await identityToRecipient(identity);
  await writeWhole(path, `# public key: ${recipient}\n${identity}\n`, 0o600);
  session.view.say(`Your age key is in ${path}. Nobody else has it: the paper below is what opens your secrets should it get lost.`);
  return recipient;
}

function planText(plan: InitPlan, whole: boolean): string {
  const lines = plan.files.flatMap((file) => {
    const text = file.text.replace(/\n$/, '').split('\n');
    if (!whole) return [`  + ${file.path}  (${text.length} lines)`];
    return ['--- /dev/null', `+++ ${file.path}`, `@@ -0,0 +1,${text.length} @@`, ...text.map((line) => `+${line}`)];
  });
  const credentials = `machines/${plan.cluster.name}/credentials.sops.yaml`;
  return [`In ${plan.root}${plan.repositoryIsNew ? ', a new git repository' : ', where nothing that is there is changed'}:`, ...lines, `  + ${credentials}  (encrypted: the cluster's key, a new git key)`,
    ...(plan.offline ? [`  + ${plan.offline.page}  (the offline key, to be printed)`] : []), ''].join('\n');
}

function afterText(plan: InitPlan, gitKey: string, commit: string | undefined): string {
  const { cluster, root } = plan;
  const here = relative(process.cwd(), root) || '.';
  const steps = [
    ...(plan.move === undefined ? [] : [plan.move]),
    `Say in machines/${cluster.name}/cluster.yaml what is yours: MAC addresses, ports, addresses, host keys, the git repository.`,
    `firstlight secrets set machines/${cluster.name}/credentials.sops.yaml nasPassword, and switchPassword.`,
    `Let this key write to the git repository: ${gitKey.trim()} firstlight-${cluster.name}`,
    ...(plan.offline ? [`Print ${plan.offline.page}, delete it, and prove the paper: firstlight secrets escrow --verify`] : []),
    ...(plan.rules === undefined ? [] : ['Your .sops.yaml does not know the new cluster and was left as it is (firstlight goes by the inventories; it is for sops by hand). It could say what is below.']),
    `firstlight rehearse ${cluster.name}, then firstlight check ${cluster.name}, then firstlight up ${cluster.name}.`,
  ];
  const done = commit === undefined ? `Cluster ${cluster.name} is in ${basename(root)}; nothing is committed.` : `${basename(root)} is a git repository with cluster ${cluster.name} (${commit.slice(0, 8)}).`;
  return ['', done, '', `Next, in ${here}:`, ...steps.map((step, index) => `  ${index + 1}. ${step}`), '', ...(plan.rules === undefined ? [] : [plan.rules])].join('\n');
}
