import assert from 'node:assert/strict';
import { test } from 'node:test';
import { generateX25519Identity } from 'age-encryption';
import fc from 'fast-check';
import { readIdentities } from '../../../gitops/secrets/identity.ts';
import { joinShares, readShare, splitIdentity } from '../../../gitops/secrets/shares.ts';

test('any threshold of the shares, in any order, give the identity back; one fewer never does', async () => {
  const identity = await generateX25519Identity();
  const shape = fc.integer({ min: 2, max: 6 }).chain((of) => fc.record({ of: fc.constant(of), threshold: fc.integer({ min: 2, max: of }), order: fc.shuffledSubarray([...Array(of).keys()], { minLength: of, maxLength: of }) }));
  await fc.assert(fc.asyncProperty(shape, async ({ of, threshold, order }) => {
    const lines = await splitIdentity(identity, { threshold, of });
    const shares = order.map((index) => readShare(lines[index] ?? ''));
    assert.equal(await joinShares(shares.slice(0, threshold)), identity);
    await assert.rejects(joinShares(shares.slice(0, threshold - 1)), { code: 'E_ESCROW_SHARES' });
    await assert.rejects(joinShares(Array(threshold).fill(shares[0])), { code: 'E_ESCROW_SHARES' });
  }), { numRuns: 25 });
});

test('one mistyped character of a share is noticed, and told without the share', async () => {
  const [line = ''] = await splitIdentity(await generateX25519Identity(), { threshold: 2, of: 3 });
  assert.deepEqual(readShare(line.toLowerCase().replace(/(any-2 .{10})/, '$1 ')), readShare(line));
  fc.assert(fc.property(fc.integer({ min: 0, max: line.length - 1 }), fc.constantFrom('x', 'q', '7'), (at, other) => {
    const typed = line.slice(0, at) + other + line.slice(at + 1);
    // Case and blanks don't count.
    if (typed.toLowerCase() === line.toLowerCase()) return;
    try {
      readShare(typed);
      assert.fail(typed);
    } catch (error) {
      assert.equal((error as { code?: string }).code, 'E_ESCROW_SHARE');
      assert.ok(!String(error).includes(line.slice(40, 60)));
    }
  }));
});

test('shares of two identities, and nonsense splits, are refused', async () => {
  const [one, other] = await Promise.all([1, 2].map(async () => splitIdentity(await generateX25519Identity(), { threshold: 2, of: 2 })));
  await assert.rejects(joinShares([readShare(one?.[0] ?? ''), readShare(other?.[1] ?? '')]), { code: 'E_ESCROW_SHARES' });
  for (const how of [{ threshold: 1, of: 3 }, { threshold: 4, of: 3 }, { threshold: 2, of: 21 }, { threshold: 2.5, of: 3 }]) {
    await assert.rejects(splitIdentity(await generateX25519Identity(), how), { code: 'E_ESCROW_SPLIT' });
  }
});

test('what is typed is read with spaces, in small letters, as a key file, as shares; a typo is noticed', async () => {
  const identity = await generateX25519Identity();
  const read = async (text: string): Promise<readonly string[]> => (await readIdentities(text)).map((one) => one.identity);
  assert.deepEqual(await read(` ${identity.toLowerCase().replace(/(.{8})/g, '$1 ')}\n`), [identity]);
  assert.deepEqual(await read(`# created: today\n# public key: age1x\n${identity}\n`), [identity]);
  assert.deepEqual(await read((await splitIdentity(identity, { threshold: 2, of: 3 })).slice(1).join('\n')), [identity]);
  const typo = identity.slice(0, -1) + (identity.endsWith('Q') ? 'P' : 'Q');
  for (const text of ['', 'hello', typo]) await assert.rejects(read(text), (error: Error & { code?: string }) => error.code === 'E_AGE_IDENTITY' && !error.message.includes(identity.slice(20, 40)));
});
