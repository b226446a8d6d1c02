import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { loadCluster } from '../../nodes/load.ts';
import { layGround } from '../../scripts/commands/rehearse-ground.ts';
import { moveIn } from '../../scripts/namespace.ts';
import { openSession } from '../../scripts/session.ts';
import { testHost } from '../support/host.ts';
import { placeProgram } from '../support/tool-world.ts';

// The ground on loopback: what is said of it, and that whatever leads elsewhere ends the rehearsal with its own error.

const host = testHost();
after(() => host.remove());
const valid = (name: string) => loadCluster(fileURLToPath(new URL(`../inventories/valid/${name}.yaml`, import.meta.url)));

test('a connection out of the plan fires the signal of the ground and is the reason that is given; after the end nothing is refused', async () => {
  const session = openSession({ plain: true });
  try {
    const place = await moveIn(session, true);
    assert.deepEqual(place, { why: '' });
    const ground = await layGround(session, await valid('everything'), host.scratch, place);
    assert.equal(ground.words, 'on loopback addresses, every connection watched');
    assert.match(ground.plan.subnet, /^127\.1[2-9]\d\./);
    ground.refuseOutside();
    await assert.rejects(ground.host.fetch('http://127.110.3.9:8081/'));
    assert.equal(ground.host.signal.aborted, true);
    assert.equal(session.host.signal.aborted, false);
    assert.throws(() => ground.refuseOutside(), { code: 'E_LAB_OUTSIDE', message: /firstlight itself was about to speak to 127\.110\.3\.9:8081, which is not in the rehearsal’s plan/ });
    await ground.close();
    await assert.rejects(fetch('http://127.110.3.9:8081/'), (error: Error) => (error.cause as { code?: string }).code !== 'E_LAB_OUTSIDE');
    const refused = await layGround(session, await valid('everything'), host.scratch, { why: 'unshare is not there' });
    assert.match(refused.words, /\(no network of its own: unshare is not there\)$/);
    await refused.close();
  } finally {
    await session.close();
  }
});

test('where namespaces are refused the command goes on where it is, and says why', async () => {
  const session = openSession({ plain: true });
  try {
    placeProgram(join(host.scratch, 'bin'), 'unshare', '#!/bin/sh\necho "unshare: unshare failed: Operation not permitted" >&2\nexit 1\n');
    session.environment['PATH'] = join(host.scratch, 'bin');
    assert.deepEqual(await moveIn(session, false), { why: 'unshare: unshare failed: Operation not permitted' });
  } finally {
    await session.close();
  }
});

test('who only says that he left a namespace gets no ground', async () => {
  const session = openSession({ plain: true });
  try {
    session.environment['FIRSTLIGHT_NAMESPACE_LEFT'] = 'net:[1]';
    const place = await moveIn(session, false);
    assert.deepEqual(place, { left: 'net:[1]' });
    assert.equal(session.environment['FIRSTLIGHT_NAMESPACE_LEFT'], undefined);
    await assert.rejects(layGround(session, await valid('nodes-only'), host.scratch, place), (error: { code?: string }) => ['E_LAB_OUTSIDE', 'E_NO_PROGRAM'].includes(error.code ?? ''));
  } finally {
    await session.close();
  }
});
