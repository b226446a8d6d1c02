import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { parse } from 'yaml';
import { takeOverSecrets } from '../../../lab/world/secrets.ts';
import { recipientsOf, sopsDecrypt, sopsEncrypt } from '../../../lib/sops.ts';
import { ageKey } from '../../support/age.ts';
import { testHost } from '../../support/host.ts';

const secret = 'apiVersion: v1\nkind: Secret\nmetadata:\n    name: mail\nstringData:\n    password: canary-password-1\n';

test('an owner’s encrypted files are put under the rehearsal’s keys, each for who could open it, the rest of the repository stays', async () => {
  const maker = testHost();
  const [owner, cluster, lab, other] = await Promise.all(['owner', 'cluster', 'lab', 'other'].map((name) => ageKey(maker, name)));
  const host = testHost({ SOPS_AGE_KEY_FILE: owner!.file });
  const folder = join(host.scratch, 'homelab');
  mkdirSync(join(folder, 'apps'), { recursive: true });
  const path = join(folder, 'apps', 'mail.sops.yaml');
  writeFileSync(path, await sopsEncrypt(host, { plain: secret, path, recipients: [owner!.recipient, cluster!.recipient], encryptedRegex: '^(data|stringData)$' }));
  writeFileSync(join(folder, 'apps', 'plain.yaml'), 'a: 1\n---\nb: 2\n');
  writeFileSync(join(folder, 'cluster.yaml'), `key: ${owner!.recipient} # mine\n`);
  assert.deepEqual(await takeOverSecrets(host, folder, new Map([[owner!.recipient, lab!.recipient], [cluster!.recipient, other!.recipient]])), [join('apps', 'mail.sops.yaml')]);
  assert.deepEqual(await recipientsOf(path), [lab!.recipient, other!.recipient]);
  assert.equal((parse(readFileSync(path, 'utf8')) as { kind: string }).kind, 'Secret');
  assert.ok(!readFileSync(path, 'utf8').includes('canary-password-1'));
  assert.equal(readFileSync(join(folder, 'cluster.yaml'), 'utf8'), `key: ${lab!.recipient} # mine\n`);
  host.environment['SOPS_AGE_KEY_FILE'] = lab!.file;
  assert.deepEqual(parse(await sopsDecrypt(host, path)), parse(secret));
  assert.equal(readFileSync(join(folder, 'apps', 'plain.yaml'), 'utf8'), 'a: 1\n---\nb: 2\n');
  host.remove();
  maker.remove();
});

test('files that nobody here can open are all named, and nothing is changed', async () => {
  const maker = testHost();
  const [owner, cluster, stranger] = await Promise.all(['owner', 'cluster', 'stranger'].map((name) => ageKey(maker, name)));
  const host = testHost({ SOPS_AGE_KEY_FILE: stranger!.file });
  const files = ['one.yaml', 'two.yaml'];
  for (const name of files) writeFileSync(join(host.scratch, name), await sopsEncrypt(maker, { plain: secret, path: name, recipients: [owner!.recipient, cluster!.recipient] }));
  await assert.rejects(takeOverSecrets(host, host.scratch, new Map([[owner!.recipient, stranger!.recipient]])), (error: Error & { code?: string; problems?: { where: { file?: string } }[] }) => {
    assert.equal(error.code, 'E_LAB_SECRETS');
    assert.deepEqual(error.problems?.map((each) => each.where.file).toSorted(), files);
    return true;
  });
  assert.deepEqual(await recipientsOf(join(host.scratch, 'one.yaml')), [owner!.recipient, cluster!.recipient]);
  host.remove();
  maker.remove();
});
