import { problem, type FirstlightError } from '../lib/errors.ts';
import type { Gitops } from '../nodes/cluster.ts';
import { publishedHostKeys } from './hosts/repository.ts';
import { remoteName } from './remote.ts';

/** One way in which git over SSH fails, known by what OpenSSH or git says of it with LC_ALL=C. */
type Failure = { readonly says: RegExp; readonly code: string; readonly what: (gitops: Gitops, text: string) => string; readonly hint: string | ((gitops: Gitops) => string) };

const FAILURES: readonly Failure[] = [
  {
    says: /Host key verification failed|REMOTE HOST IDENTIFICATION HAS CHANGED|no hostkey alg|no matching host key type/i,
    code: 'E_GIT_HOST_KEY',
    what: (gitops) => `the git host ${remoteName(gitops)} shows another key than gitops.hostKey in cluster.yaml`,
    hint: hostKeyHint,
  },
  {
    says: /Permission denied \(|Too many authentication failures/,
    code: 'E_GIT_AUTH',
    what: (gitops) => `the git host ${remoteName(gitops)} refuses the git key`,
    hint: 'Give the public half of gitKey write access to the repository: `firstlight git-key` shows it and where, `--install` does it on GitHub, GitLab and Gitea.',
  },
  {
    says: /pre-receive hook declined|\[remote rejected\]|protected branch|deny updating|hook declined|insufficient permission|does not have write access|key you are authenticating with has been marked as read only/i,
    code: 'E_GIT_PUSH_REFUSED',
    what: (gitops, text) => `the git host ${remoteName(gitops)} refuses the push to ${gitops.branch}: ${remoteWords(text)}`,
    hint: 'Let this key push to the branch (branch protection, read-only deploy key, hook), then run again. Nothing was changed there.',
  },
  {
    says: /Remote branch .* not found|couldn't find remote ref|src refspec .* does not match/,
    code: 'E_GIT_NO_BRANCH',
    what: (gitops) => `the repository has no branch ${gitops.branch}`,
    hint: 'Push your homelab repository to that branch first, or mend gitops.branch in cluster.yaml.',
  },
  {
    says: /repository not found|does not appear to be a git repository|project you were looking for could not be found/i,
    code: 'E_GIT_NO_REPOSITORY',
    what: (gitops) => `the git host ${remoteName(gitops)} has no such repository, or hides it from this key`,
    hint: 'See gitops.url in cluster.yaml, and that the git key may read the repository.',
  },
  {
    says: /Could not resolve hostname|Connection refused|timed out|No route to host|Network is unreachable|Connection (closed|reset)|kex_exchange_identification|not responding|Broken pipe|unexpected disconnect|early EOF/i,
    code: 'E_GIT_UNREACHABLE',
    what: (gitops, text) => `the git host ${remoteName(gitops)} can't be reached: ${lastLine(text)}`,
    hint: 'See that it is up and that gitops.url in cluster.yaml has the right host and port.',
  },
];

/** The coded error for a failed git over SSH, from its standard error. Texts of the remote come through the mask. */
export function gitProblem(gitops: Gitops, stderr: string, hide: (text: string) => string): FirstlightError {
  const text = hide(stderr);
  const failure = FAILURES.find((each) => each.says.test(text));
  if (failure) return problem(failure.code, failure.what(gitops, text), typeof failure.hint === 'string' ? failure.hint : failure.hint(gitops));
  return problem('E_GIT', `git failed: ${lastLine(text)}`, 'Git’s own words are above; mend what it names and run again.');
}

/** What to do where the git host shows another SSH key than the pinned one: with where it publishes its own, if that is known. */
export function hostKeyHint(gitops: Pick<Gitops, 'url' | 'host'>): string {
  const published = publishedHostKeys(gitops);
  const where = published === undefined ? 'the key that `ssh-keyscan` prints' : `the key that is published at ${published}`;
  return `Nothing was sent. Find out why it changed; only then write ${where} into gitops.hostKey.`;
}

/** Whether a push failed only because somebody else pushed in between. */
export function isOvertaken(stderr: string): boolean {
  return /non-fast-forward|fetch first|cannot lock ref|incorrect old value/.test(stderr) && !/hook declined/.test(stderr);
}

function remoteWords(text: string): string {
  const said = text.split('\n').filter((line) => line.startsWith('remote:')).map((line) => line.slice(7).trim()).filter(Boolean);
  return (said.length > 0 ? said.join(' ') : lastLine(text)).slice(0, 600);
}

function lastLine(text: string): string {
  const lines = text.split('\n').map((line) => line.trim()).filter((line) => line && !/^(fatal: Could not read from remote|Please make sure|and the repository exists)/.test(line));
  return (lines.at(-1) ?? 'no word of why').slice(0, 300);
}
