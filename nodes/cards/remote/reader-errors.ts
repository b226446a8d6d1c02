import { problem, type FirstlightError } from '../../../lib/errors.ts';

const SOME_PYTHON: readonly [number, number] = [3, 7];

/** The agent, or the connection to it, ended in the middle of something. */
export function brokenOff(name: string): FirstlightError {
  return problem('E_READER_LOST', `the connection to the card reader’s machine ${name} was lost`,
    'Cards that were being written have no partition table and do not boot. Look at that machine and its network, then run the same command again.');
}

/** Why the agent did not start, by what the far shell, sudo or python3 said and its exit code. */
export function notStarted(how: { readonly name: string; readonly asRoot: boolean }, seen: { readonly told: string; readonly exitCode: number | undefined }): FirstlightError {
  const { name } = how;
  const said = seen.told.trim().split('\n').at(-1)?.trim().slice(0, 200) ?? '';
  const because = said === '' ? '' : `: ${said}`;
  if (how.asRoot && (/sudo|password|sudoers/i.test(seen.told) || seen.exitCode === 127)) {
    return problem('E_READER_ROOT', `the user of ${name} may not open the card, and may not become root without a password${because}`,
      'There, put the user into the group disk, or let it run python3 by sudo: USER ALL=(root) NOPASSWD: /usr/bin/python3');
  }
  if (seen.exitCode === 127 || /python3.*not found|no such file/i.test(seen.told)) {
    return problem('E_READER_PYTHON', `there is no python3 on ${name}${because}`, 'Install it there (`apt install python3`): the cards are written by it.');
  }
  if (seen.exitCode === undefined) return brokenOff(name);
  return problem('E_READER_START', `python3 on ${name} ended with ${seen.exitCode}${because}`, 'Check that the user there may run any command over SSH: ssh USER@HOST python3 --version');
}

/** Why cards can't be written by a machine like this, or undefined. */
export function refusedSystem(name: string, greeting: { readonly system: string; readonly python: readonly [number, number] }): FirstlightError | undefined {
  const { system, python } = greeting;
  if (system !== 'linux') return problem('E_READER_SYSTEM', `${name} runs ${system}: cards are written by Linux machines only`, 'Put the reader into a Linux machine, or run firstlight on that one.');
  if (python[0] > SOME_PYTHON[0] || (python[0] === SOME_PYTHON[0] && python[1] >= SOME_PYTHON[1])) return undefined;
  return problem('E_READER_PYTHON', `python3 on ${name} is ${python.join('.')}`, `Install Python ${SOME_PYTHON.join('.')} or newer there.`);
}

/** Nobody's key was taken. `tried` says which were offered. */
export function notLoggedIn(name: string, tried: readonly string[], cause: unknown): FirstlightError {
  const what = tried.length === 0 ? 'no key to log in with: no SSH agent is running, and credentials.sops.yaml has no readerKey' : `${name} took no key of ${tried.join(' and none of ')}`;
  return problem('E_READER_LOGIN', tried.length === 0 ? `${name}: ${what}` : what,
    'Add your key to the SSH agent (`ssh-add`), or put readerKey into credentials.sops.yaml with `sops edit`; its public half belongs into ~/.ssh/authorized_keys there.', { cause });
}
