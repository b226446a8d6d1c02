import { test } from 'node:test';
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { recipientsOf, sopsDecrypt, sopsEncrypt } from '../../lib/sops.ts';
import { testHost } from '../support/host.ts';
import { ageKey } from '../support/age.ts';

const PLAIN = 'cluster:\n    id: abcdef\n    empty: ""\nlist:\n    - one-two-three\n';

async function setup() {
  const maker = testHost();
  const [owner, cluster, stranger] = [await ageKey(maker, 'owner'), await ageKey(maker, 'cluster'), await ageKey(maker, 'stranger')];
  return { maker, owner, cluster, stranger, path: join(maker.scratch, 'x.sops.yaml') };
}

test('encrypts for two recipients, and each of them alone opens it', async () => {
  const { maker, owner, cluster, path } = await setup();
  try {
    const text = await sopsEncrypt(maker, { plain: PLAIN, path, recipients: [owner.recipient, cluster.recipient] });
    assert.ok(!text.includes('abcdef') && !text.includes('one-two-three'));
    await writeFile(path, text);
    assert.deepEqual(await recipientsOf(path), [owner.recipient, cluster.recipient]);
    for (const key of [owner, cluster]) {
      const host = testHost({ SOPS_AGE_KEY_FILE: key.file });
      assert.equal(await sopsDecrypt(host, path), PLAIN);
      host.remove();
    }
  } finally {
    maker.remove();
  }
});

test('a .sops.yaml beside the file can not leave values plain', async () => {
  const { maker, owner, cluster, path } = await setup();
  try {
    await writeFile(join(maker.scratch, '.sops.yaml'), `creation_rules:\n- path_regex: .*\n  encrypted_regex: ^data$\n  age: ${owner.recipient}\n`);
    const text = await sopsEncrypt(maker, { plain: PLAIN, path, recipients: [owner.recipient, cluster.recipient] });
    assert.ok(!text.includes('abcdef'));
  } finally {
    maker.remove();
  }
});

test('an encrypted regex leaves the rest readable, and without one a value left plain is an error', async () => {
  const { maker, owner, cluster, path } = await setup();
  const recipients = [owner.recipient, cluster.recipient];
  try {
    const secret = 'kind: Secret\nstringData:\n    password: hunter-two\n';
    const text = await sopsEncrypt(maker, { plain: secret, path, recipients, encryptedRegex: '^(data|stringData)$' });
    assert.match(text, /^kind: Secret$/m);
    assert.ok(!text.includes('hunter-two'));
    await assert.rejects(sopsEncrypt(maker, { plain: 'a_unencrypted: hunter-two\n', path, recipients }), { code: 'E_SOPS_PLAIN' });
  } finally {
    maker.remove();
  }
});

test('every way to fail has its code', async () => {
  const { maker, owner, cluster, stranger, path } = await setup();
  const recipients = [owner.recipient, cluster.recipient];
  try {
    await assert.rejects(sopsEncrypt(maker, { plain: PLAIN, path, recipients: [owner.recipient, owner.recipient] }), { code: 'E_RECIPIENTS' });
    await assert.rejects(sopsEncrypt(maker, { plain: PLAIN, path, recipients: [owner.recipient, 'age1nonsense'] }), { code: 'E_SOPS_ENCRYPT' });
    await assert.rejects(sopsDecrypt(maker, path), { code: 'E_SOPS_MISSING' });
    const text = await sopsEncrypt(maker, { plain: PLAIN, path, recipients });
    await writeFile(path, text);
    await assert.rejects(sopsDecrypt(maker, path), { code: 'E_SOPS_KEY' });
    const host = testHost({ SOPS_AGE_KEY_FILE: stranger.file });
    await assert.rejects(sopsDecrypt(host, path), { code: 'E_SOPS_KEY' });
    host.remove();
    const nowhere = testHost({ SOPS_AGE_KEY_FILE: join(maker.scratch, 'nowhere') });
    await assert.rejects(sopsDecrypt(nowhere, path), { code: 'E_SOPS_KEY', message: /can't be read/ });
    nowhere.remove();
    const mine = testHost({ SOPS_AGE_KEY_FILE: owner.file });
    await writeFile(path, text.replace(/^cluster:/m, 'clusters:'));
    await assert.rejects(sopsDecrypt(mine, path), { code: 'E_SOPS_CHANGED' });
    await writeFile(path, PLAIN);
    await assert.rejects(sopsDecrypt(mine, path), { code: 'E_SOPS_PLAIN' });
    await assert.rejects(recipientsOf(path), { code: 'E_SOPS_PLAIN' });
    mine.remove();
  } finally {
    maker.remove();
  }
});
