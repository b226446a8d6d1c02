import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { createMask } from '../../lib/masking.ts';

test('every registered secret is hidden, also inside others, line by line and in base64', () => {
  fc.assert(fc.property(fc.array(fc.string({ minLength: 6 }).filter((text) => text.trim().length >= 6 && !text.includes('•')), { minLength: 1, maxLength: 5 }), fc.string(), (secrets, around) => {
    const mask = createMask();
    secrets.forEach((secret) => mask.add(secret));
    const hidden = mask.hide(secrets.map((secret) => around + secret).join(' ') + Buffer.from(secrets[0]!.trim()).toString('base64'));
    for (const secret of secrets) assert.ok(!hidden.includes(secret.trim()));
  }));
});

test('private keys and age identities are hidden by their shape alone', () => {
  const mask = createMask();
  const begin = '-----BEGIN OPENSSH PRIVATE ' + 'KEY-----';
  const text = mask.hide(`a ${'AGE-SECRET-KEY-1' + 'QQQQQQQQQQQQ'} b\n${begin}\nabc\n-----END OPENSSH PRIVATE KEY-----\nc`);
  assert.equal(text, 'a ••• b\n•••\nc');
  assert.ok(!mask.hide(`${begin}\nabc\ncut off`).includes('abc'));
});

test('short texts are not secrets: hiding them would hide everything', () => {
  const mask = createMask();
  mask.add('on');
  assert.equal(mask.hide('one'), 'one');
});
