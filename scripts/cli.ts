#!/usr/bin/env node
import { Command, CommanderError } from 'commander';
import { FirstlightError } from '../lib/errors.ts';
import { exitCodeOf } from './terminal/exit.ts';
import { errorFrame } from './terminal/frame.ts';
import type { CommonOptions, Session } from './session.ts';

/** What a command does: it gets a session, its first argument, its own options and all arguments, and says the exit code (nothing means 0). */
type Action = (session: Session, argument: string | undefined, options: Record<string, unknown>, words: readonly string[]) => Promise<number | void>;

const CLUSTER = 'the cluster: its folder, its cluster.yaml, or its name; left out: the only one there is, or the bundled Gandalf';

const program = new Command('firstlight')
  .description('From four blank microSD cards to a Kubernetes cluster under GitOps in one command.')
  .option('--json', 'events and answers as JSON lines on standard output')
  .option('--plain', 'one line per happening instead of the live list')
  .option('--yes', 'take the default answer to every question that has one')
  .showHelpAfterError('(firstlight --help shows the commands)')
  .configureOutput({ outputError: (text, write) => write(`✖ E_USAGE  ${text.replace(/^error: /, '')}`) })
  .exitOverride();

command('init <folder>', 'a homelab repository with one cluster, or one more in the repository that is there: only missing files are added', 'firstlight init homelab --name gandalf',
  async () => (await import('./commands/init.ts')).initCommand)
  .option('--name <name>', 'what the cluster is called')
  .option('--network <start>', 'the first three numbers of its network, like 192.168.77')
  .option('--git <url>', 'the repository as Flux will reach it, ssh://user@host/path')
  .option('--diff', 'show the whole text of every file first');
command('rehearse [cluster...]', 'bring the cluster up in the lab, against virtual boards; or, with a scenario behind its name, rehearse a disaster from its newest backup: nothing real is touched', 'firstlight rehearse gandalf all-nodes-dead',
  async () => (await import('./commands/rehearse.ts')).rehearseCommand)
  .option('--keep', 'hold the cluster open at the end, until Ctrl+C')
  .option('--again', 'run `up` a second time and report what it found done')
  .option('--all', 'every disaster that there is for this cluster, one after another: one report over all, and the trend')
  .option('--archive <file>', 'the backup that a disaster is rehearsed from, by name or path; the newest unless told')
  .option('--every', 'every cluster of the repository, side by side, each in a world of its own')
  .option('--loopback', 'on loopback addresses, also where the system allows a network of its own')
  .option('--at-once <n>', 'how many of several may run at once; 2 unless told, 3 with four processors');
command('up [cluster]', 'bring the real cluster up, or finish bringing it up; run it again at any time', 'firstlight up gandalf',
  async () => (await import('./commands/up.ts')).upCommand)
  .option('--access <folder>', 'leave kubeconfig and talosconfig (0600) in this folder')
  .option('--upgrade-flux', 'let the flux program commit its own version of Flux where an older one is pinned')
  .option('--offline', 'bring Flux back from the manifests that the repository has: nothing is written to git');
command('rebuild [cluster] [node...]', 'replace one dead board or card: fenced, cleaned up, flashed, rejoined, its volumes back; goes on where a run was cut off', 'firstlight rebuild gandalf gandalf-w-2',
  async () => (await import('./commands/rebuild.ts')).rebuildCommand)
  .option('--dry-run', 'only look: what is lost, and what would be done')
  .option('--mac <address>', 'of the new board; it is written into cluster.yaml (asked for, where it differs)')
  .option('--snapshot <file>', 'the etcd snapshot that the only control plane comes back with; else the board’s own, or the newest backup')
  .option('--keep-card', 'take the unused card that `firstlight flash` wrote for this node and that lies in the reader')
  .option('--force', 'also where the node is well: its name has to be typed')
  .option('--give-up', 'end the rebuild of this node that is under way, unfinished: for where something else died meanwhile');
command('check [cluster]', 'validate the file, tools, credentials, network, switch, NAS and git; changes nothing', 'firstlight check gandalf',
  async () => (await import('./commands/check.ts')).checkCommand);
command('status [cluster]', 'what is true now', 'firstlight status gandalf --json',
  async () => (await import('./commands/status.ts')).statusCommand);
const backup = command('backup [cluster]', 'one archive of all that a restore needs: etcd proven by a restore, keys, configs, git; encrypted, signed, in every place', 'firstlight backup gandalf',
  async () => (await import('./commands/backup.ts')).backupCommand)
  .option('--to <place>', 'only there: a place of the inventory by its name, or a folder by its path')
  .option('--write-job', 'make none now: write a CronJob into the GitOps repository that puts a snapshot into the bucket every night');
command('list [cluster]', 'the backups in all places, newest first', 'firstlight backup list gandalf',
  async () => (await import('./commands/backup.ts')).listCommand, backup);
command('verify [cluster] [archive]', 'prove a backup: the newest, one by name, or a file; decrypted, every part and signature checked, its etcd restored and asked', 'firstlight backup verify gandalf --all',
  async () => (await import('./commands/backup.ts')).verifyCommand, backup)
  .option('--all', 'every backup of every place');
command('restore [cluster] [archive]', 'bring back what is lost from a backup: etcd and its boards, the NAS’s configuration, the git host, the cluster’s key; goes on where a run was cut off', 'firstlight restore gandalf',
  async () => (await import('./commands/restore.ts')).restoreCommand)
  .option('--dry-run', 'only prove the backup and look: what is lost, and what would be done')
  .option('--force', 'also where something at hand is newer: the cluster’s name has to be typed')
  .option('--with-paper', 'open it with the offline key, or its shares, which is asked for')
  .option('--give-up', 'end the restore that is under way, unfinished: for where it can’t go on, or another archive is to be taken');
command('flash [cluster] [node...]', 'only the cards of the named nodes: written, read back, stamped; boards are left alone', 'firstlight flash gandalf gandalf-w-2',
  async () => (await import('./commands/flash.ts')).flashCommand);
command('git-key [cluster]', 'the public half of the key with which Flux reaches git, and where it goes', 'firstlight git-key gandalf --install',
  async () => (await import('./commands/git-key.ts')).gitKeyCommand)
  .option('--install', 'give it write access by the API of GitHub, GitLab or Gitea; the token comes from GITHUB_TOKEN, GITLAB_TOKEN or GITEA_TOKEN, or is asked for');
const card = program.command('card').description('what is on a card');
command('inspect <device>', 'what a card is: blank, foreign, or whose Talos card with which image; only reads', 'firstlight card inspect /dev/sdb',
  async () => (await import('./commands/card.ts')).inspectCommand, card)
  .option('--reader <cluster>', 'in the card reader that this cluster names, on another machine');
const storage = program.command('storage').description('the LUNs of the NAS');
command('list [cluster]', 'every LUN of the NAS with its target, sessions, volume and claim; only reads', 'firstlight storage list gandalf',
  async () => (await import('./commands/storage.ts')).listStorage, storage);
command('adopt [cluster] [lun]', 'take a LUN, by name or uuid, into cluster.yaml, after proof that nobody else uses it', 'firstlight storage adopt gandalf LUN-1',
  async () => (await import('./commands/storage.ts')).adoptStorage, storage);
const secrets = program.command('secrets').description('what is encrypted in the homelab repository you stand in');
command('list', 'every encrypted file: who reads it, its keys and their age; no value', 'firstlight secrets list',
  async () => (await import('./commands/secrets.ts')).listSecrets, secrets);
command('check', 'every secret encrypted, for the right recipients, none in the clear, in the work tree and in the history', 'firstlight secrets check',
  async () => (await import('./commands/secrets.ts')).checkSecrets, secrets)
  .option('--staged', 'only what is staged for the next commit')
  .option('--hook', 'make git ask for that before each commit')
  .option('--forgive', 'take the history until now as looked through: what it held was changed');
command('set <path> <key>', 'set one value, from a pipe or asked for: encrypted, committed; in a Secret the key is one name (tls.crt), elsewhere dots nest and quotes hold a name together (a."b.c")', 'printf %s "$TOKEN" | firstlight secrets set apps/gandalf/podinfo-token.sops.yaml token --push',
  async () => (await import('./commands/secrets-change.ts')).setSecretValue, secrets)
  .option('--namespace <name>', 'of a new Secret, where its folder’s kustomization.yaml names none')
  .option('--push', 'push the commit, and wait until Flux has applied it');
command('move <path> <key>', 'bring one value from its file into the vault, or back, and cluster.yaml with it; committed', 'firstlight secrets move apps/gandalf/podinfo-token.sops.yaml token --to vault --push',
  async () => (await import('./commands/secrets-move.ts')).moveSecret, secrets)
  .option('--to <store>', 'vault or sops')
  .option('--az', 'as who is logged in by `az login`: the cluster’s own principal need then only read')
  .option('--name <name>', 'its name in the vault, where cluster.yaml gives it none yet')
  .option('--replace', 'also where the vault has another value under that name: it becomes an older version')
  .option('--push', 'push the commit, and wait until Flux has applied it');
command('edit <path>', 'change a file in your editor, decrypted only in memory; committed', 'firstlight secrets edit apps/gandalf/podinfo-token.sops.yaml',
  async () => (await import('./commands/secrets-edit.ts')).editSecret, secrets)
  .option('--push', 'push the commit, and wait until Flux has applied it');
command('update', 'encrypt anew, under new data keys, what is not for the inventory’s recipients; committed', 'firstlight secrets update',
  async () => (await import('./commands/secrets-change.ts')).updateSecrets, secrets)
  .option('--with-paper', 'open the files with the offline key, or its shares, which is asked for')
  .option('--push', 'push the commit, and wait until Flux has applied it');
command('escrow', 'the offline key on paper: made, or proven', 'firstlight secrets escrow --print /dev/shm/escrow.html --split 2-of-3',
  async () => (await import('./commands/secrets-keys.ts')).escrowSecrets, secrets)
  .option('--print <file>', 'make a new offline key and write its page, outside the repository')
  .option('--split <how>', 'into shares, like 2-of-3')
  .option('--replace <name>', 'the offline recipient whose place the new key takes, where a cluster has several')
  .option('--verify', 'prove that each recipient alone opens every file')
  .option('--push', 'push the commit, and wait until Flux has applied it');
command('rotate [cluster]', 'give the cluster a new key: every file encrypted anew, Flux follows, the old key goes', 'firstlight secrets rotate gandalf',
  async () => (await import('./commands/secrets-keys.ts')).rotateSecrets, secrets)
  .option('--again', 'also where it got a new one within the hour')
  .option('--values', 'rotate nothing: list the values that have not changed for long')
  .option('--days <n>', 'how long is long; 90 unless told');
command('tools', 'fetch the programs firstlight runs (talosctl, flux, kubectl, sops, …), at their pinned versions', 'firstlight tools',
  async () => (await import('./commands/tools.ts')).toolsAction);

/** Declares a command; its code is loaded only when it is called, and every one ends through the same door. */
function command(usage: string, description: string, example: string, load: () => Promise<Action>, parent: Command = program): Command {
  const made = parent.command(usage).description(description).addHelpText('after', `\nExample:\n  $ ${example}`);
  if (/\[cluster(\.\.\.)?\]/.test(usage)) made.summary(description).helpOption('-h, --help', 'help').addHelpText('after', `\n[cluster] is ${CLUSTER}.`);
  return made.action(async (...given: unknown[]) => {
    const self = given.at(-1) as Command;
    const action = await load();
    process.exitCode = await runCommand(action, self.args, self.optsWithGlobals() as CommonOptions & Record<string, unknown>);
  });
}

/** The only catch: errors become a frame (or a JSON line) and an exit code. */
async function runCommand(action: Action, words: readonly string[], options: CommonOptions & Record<string, unknown>): Promise<number> {
  const { openSession } = await import('./session.ts');
  const session = openSession(options);
  let failure: unknown;
  let code: number | undefined;
  try {
    code = await action(session, words[0], options, words) ?? 0;
  } catch (error) {
    failure = error;
  }
  await session.close();
  if (failure === undefined) return code ?? 0;
  if (options.json) process.stdout.write(`${session.host.mask.hide(JSON.stringify(asData(failure)))}\n`);
  process.stderr.write(errorFrame(failure, session.host.mask.hide, process.cwd()));
  return exitCodeOf(failure);
}

function asData(error: unknown): object {
  if (!(error instanceof FirstlightError)) return { code: 'run.failed', error: { code: 'E_INTERNAL', message: String(error) } };
  const { code, message, hint, where } = error;
  const problems = 'problems' in error ? (error.problems as FirstlightError[]).map((each) => asData(each)) : undefined;
  return { code: 'run.failed', error: { code, message, hint, where, ...(problems ? { problems } : {}) } };
}

try {
  await program.parseAsync();
} catch (error) {
  if (!(error instanceof CommanderError)) throw error;
  process.exitCode = error.exitCode === 0 ? 0 : 64;
}
