import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Place } from '../../../../bootstrap/archive/places/place.ts';
import { testHost, type TestHost } from '../../../support/host.ts';

export const FIRST = 'gandalf-20261123T070842Z.firstlight';
const SECOND = 'gandalf-20261124T070842Z.firstlight';

/** What a test of a place needs: the place opened anew on a host, and what lies there, past the place itself (names of files or objects). */
export type PlaceUnderTest = {
  open(host: TestHost): Place;
  names(): Promise<readonly string[]> | readonly string[];
  /** Puts something there that is no archive of this cluster. */
  strew(name: string): Promise<void> | void;
  readonly secrets: readonly string[];
};

/** A file of random bytes, more than a window of pieces and no whole number of them. */
export function archiveFile(host: TestHost, bytes = 700_123): string {
  const file = join(host.scratch, `made-${randomBytes(4).toString('hex')}`);
  writeFileSync(file, randomBytes(bytes));
  return file;
}

export const sha256 = (file: string): string => createHash('sha256').update(readFileSync(file)).digest('hex');

/** What every place must do, whatever it is. `skip` is the reason why it can't be tried here. */
export function holdsContract(kind: string, subject: () => PlaceUnderTest, skip?: () => string | undefined): void {
  const on = (name: string, work: (host: TestHost, place: Place, under: PlaceUnderTest) => Promise<void>): void => {
    test(`${kind}: ${name}`, { timeout: 60_000 }, async (context) => {
      const reason = skip?.();
      if (reason !== undefined) return context.skip(reason);
      const host = testHost();
      const place = subject().open(host);
      try {
        await work(host, place, subject());
        const told = JSON.stringify(host.events);
        for (const secret of subject().secrets) assert.ok(!told.includes(secret) && !place.where.includes(secret));
      } finally {
        await place.close();
        host.remove();
      }
    });
  };

  on('an archive goes there and comes back, byte for byte, and is listed with its time', async (host, place, under) => {
    await under.strew('merlin-20261123T070842Z.firstlight');
    await under.strew(`${FIRST}.part`);
    await under.strew(`.${FIRST}.0123456789ab.part`);
    await under.strew('gandalf-2026.firstlight');
    const file = archiveFile(host);
    await place.put(FIRST, file);
    assert.deepEqual(await place.list(), [{ name: FIRST, bytes: 700_123, at: '2026-11-23T07:08:42.000Z' }]);
    const back = join(host.scratch, 'back');
    await place.get(FIRST, back);
    assert.equal(sha256(back), sha256(file));
    assert.equal(statSync(back).mode & 0o777, 0o600);
    await place.put(SECOND, archiveFile(host, 32 * 1024));
    assert.deepEqual((await place.list()).map(({ name, bytes }) => [name, bytes]).sort(), [[FIRST, 700_123], [SECOND, 32_768]]);
    await place.remove(SECOND);
    await place.remove(SECOND);
    assert.deepEqual((await place.list()).map(({ name }) => name), [FIRST]);
  });

  on('nothing there is overwritten, and what is not there is said so', async (host, place, under) => {
    const before = await under.names();
    await assert.rejects(place.put(FIRST, archiveFile(host, 10)), { code: 'E_PLACE_EXISTS' });
    assert.deepEqual(await under.names(), before);
    assert.equal((await place.list())[0]?.bytes, 700_123);
    const back = join(host.scratch, 'back');
    await assert.rejects(place.get(SECOND, back), { code: 'E_PLACE_MISSING' });
    await assert.rejects(place.put(SECOND, join(host.scratch, 'nothing')), { code: 'E_ARCHIVE_FILE' });
    mkdirSync(back);
    await assert.rejects(place.get(FIRST, back), { code: 'E_ARCHIVE_FILE' });
    assert.deepEqual(readdirSync(host.scratch).filter((name) => name.endsWith('.part')), []);
  });

  on('two that put one name at the same time: one wins, whole, and the other is told', async (host, place, under) => {
    const [mine, theirs] = [archiveFile(host), archiveFile(host)];
    const other = under.open(host);
    const ends = await Promise.allSettled([place.put(SECOND, mine), other.put(SECOND, theirs)]);
    await other.close();
    assert.deepEqual(ends.map((end) => (end.status === 'rejected' ? (end.reason as { code: string }).code : 'put')).sort(), ['E_PLACE_EXISTS', 'put']);
    const back = join(host.scratch, 'back');
    await place.get(SECOND, back);
    assert.equal(sha256(back), sha256(ends[0]?.status === 'fulfilled' ? mine : theirs));
    await place.remove(SECOND);
  });

  on('an interrupted transfer leaves nothing behind that could be taken for an archive', async (host, _place, under) => {
    // The signal fires at the first look of the clock by a transfer under way.
    const [begun] = [host.clock.now()];
    let looks = 0;
    const watched: TestHost = { ...host, clock: { ...host.clock, now: () => { looks += 1; if (looks > 6) host.abort.abort(); return begun; } } };
    const place = under.open(watched);
    const file = archiveFile(host, 3_000_000);
    await assert.rejects(place.put(SECOND, file), (error: Error) => error.name === 'AbortError' || (error as { code?: string }).code === 'E_ABORTED');
    await place.close();
    const fresh = testHost();
    const again = under.open(fresh);
    // A bucket has no name aside: an object that is there was whole before it was read again.
    if (again.kind === 's3' && (await again.list()).length === 2) {
      await again.get(SECOND, join(fresh.scratch, 'back'));
      assert.equal(sha256(join(fresh.scratch, 'back')), sha256(file));
      await again.remove(SECOND);
    }
    assert.deepEqual((await again.list()).map(({ name }) => name), [FIRST]);
    await again.close();
    fresh.remove();
  });
}
