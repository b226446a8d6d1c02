import assert from 'node:assert/strict';
import { test } from 'node:test';
import { gitProblem } from '../../gitops/git-errors.ts';

const at = (url: string) => ({ url, branch: 'main', path: 'clusters/gandalf', hostKey: 'ssh-ed25519 AAAA' });
const as = (text: string): string => text;

test('another host key: a public host’s published keys are pointed to, a host of one’s own is to be scanned', () => {
  const changed = 'Host key verification failed.\nfatal: Could not read from remote repository.';
  const hint = (url: string): string => gitProblem(at(url), changed, as).hint;
  assert.match(hint('ssh://git@github.com/bilbo/homelab.git'), /^Nothing was sent\..*docs\.github\.com\/.*fingerprints/);
  assert.match(hint('ssh://git@altssh.gitlab.com:443/bilbo/homelab.git'), /docs\.gitlab\.com/);
  assert.match(hint('ssh://git@192.168.77.6/homelab.git'), /ssh-keyscan/);
});

test('a deploy key that may only read, and one that nobody knows, are told with what gives them access', () => {
  // What GitHub and GitLab say over SSH.
  for (const words of ['ERROR: The key you are authenticating with has been marked as read only.', 'remote: ERROR: This deploy key does not have write access to this project.']) {
    const { code, hint } = gitProblem(at('ssh://git@github.com/bilbo/homelab.git'), `${words}\nfatal: Could not read from remote repository.`, as);
    assert.deepEqual([code, /read-only deploy key/.test(hint)], ['E_GIT_PUSH_REFUSED', true]);
  }
  const refused = gitProblem(at('ssh://git@github.com/bilbo/homelab.git'), 'git@github.com: Permission denied (publickey).', as);
  assert.deepEqual([refused.code, /firstlight git-key/.test(refused.hint)], ['E_GIT_AUTH', true]);
});
