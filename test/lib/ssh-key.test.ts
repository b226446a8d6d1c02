import assert from 'node:assert/strict';
import { test } from 'node:test';
import ssh2 from 'ssh2';
import { newSshKey } from '../../lib/ssh-key.ts';

test('every new key can be read again, and both halves are one pair', () => {
  for (let count = 0; count < 1500; count += 1) {
    const pair = newSshKey();
    const key = ssh2.utils.parseKey(pair.private);
    assert.ok(!(key instanceof Error), 'a private key that nobody can read');
    const own = Array.isArray(key) ? key[0]! : key;
    assert.equal(own.getPublicSSH().toString('base64'), pair.public.split(' ')[1]);
  }
});
