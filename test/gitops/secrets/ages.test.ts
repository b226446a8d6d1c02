import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { afterEach, beforeEach, test } from 'node:test';
import { REKEYED, valueAges } from '../../../gitops/secrets/ages.ts';
import { replaceRecipients } from '../../../gitops/secrets/escrow.ts';
import { rekeyAll } from '../../../gitops/secrets/rekey.ts';
import { setSecret } from '../../../gitops/secrets/set.ts';
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
