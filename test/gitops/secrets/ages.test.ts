import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { REKEYED, valueAges } from '../../../gitops/secrets/ages.ts';
import { replaceRecipients } from '../../../gitops/secrets/escrow.ts';
import { rekeyAll } from '../../../gitops/secrets/rekey.ts';
import { setSecret } from '../../../gitops/secrets/set.ts';
import type { Command } from '../../../lib/host.ts';
import { ageKey } from '../../support/age.ts';
import { desk, type Desk } from './support.ts';

const PATH = 'apps/gandalf/token.sops.yaml';
const DAY_S = 86_400;

let own: Desk;
beforeEach(async () => { own = await desk(); });
afterEach(() => own.host.remove());

/** Commits everything as if it were `days` ago. */
function commit(days: number, message: string): void {
  const date = `${Math.floor(Date.now() / 1000) - days * DAY_S} +0000`;
  const who = { GIT_AUTHOR_NAME: 'owner', GIT_AUTHOR_EMAIL: 'o@localhost', GIT_COMMITTER_NAME: 'owner', GIT_COMMITTER_EMAIL: 'o@localhost' };
  own.git('add', '--all');
  execFileSync('git', ['commit', '--quiet', '--message', message], { cwd: own.root, env: { ...process.env, ...who, GIT_AUTHOR_DATE: date, GIT_COMMITTER_DATE: date } });
}

test('a value is as old as the commit that set it; encrypting all anew makes none younger', async () => {
  const homelab = await own.open();
  const set = (key: string, value: string) => setSecret(own.host, homelab, { path: PATH, key, value });
  await set('old', 'canary-1');
  await set('young', 'canary-2');
  commit(100, 'both');
  await set('young', 'canary-3');
  commit(10, 'one');
  const next = await ageKey(own.host, 'next');
  const instead = new Map([[own.keys['gandalf']?.recipient ?? '', next.recipient]]);
  await rekeyAll(own.host, homelab, instead);
  await replaceRecipients(homelab, instead);
  commit(1, `new key\n\n${REKEYED}`);
  await set('unborn', 'canary-4');
  assert.deepEqual(await valueAges(own.host, await own.open()), [
    { path: PATH, key: 'stringData.old', days: 100 }, { path: PATH, key: 'stringData.young', days: 10 }, { path: PATH, key: 'stringData.unborn', days: undefined },
  ]);
});

test('a moved file is as old as its values, one that changed once is not blamed, a shallow clone says "at least"', async () => {
  const homelab = await own.open();
  await setSecret(own.host, homelab, { path: PATH, key: 'a', value: 'canary-1' });
  await setSecret(own.host, homelab, { path: 'apps/gandalf/once.sops.yaml', key: 'b', value: 'canary-2' });
  commit(50, 'both');
  const moved = 'apps/gandalf/moved é.sops.yaml';
  own.git('mv', PATH, moved);
  commit(5, 'moved');
  const blamed: string[] = [];
  const host = { ...own.host, run: (command: Command) => { if (command.args.includes('blame')) blamed.push(command.args.at(-1) ?? ''); return own.host.run(command); } };
  assert.deepEqual((await valueAges(host, homelab)).map(({ path, days }) => [path, days]), [[moved, 50], ['apps/gandalf/once.sops.yaml', 50]]);
  assert.deepEqual(blamed, [moved]);
  const clone = join(own.host.scratch, 'clone');
  own.git('clone', '--quiet', '--depth=1', `file://${own.root}`, clone);
  assert.deepEqual((await valueAges(own.host, { ...homelab, root: clone })).map(({ days, atLeast }) => [days, atLeast]), [[5, true], [5, true]]);
});
