import assert from 'node:assert/strict';
import { createCipheriv, randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { encryptionKeys, valueState } from '../../talos/kube-encryption.ts';

/** A Secret as kube-apiserver 1.34.4 wrote it into etcd, and the bundle's key of that time: of a rehearsal's cluster that is no more. */
const REAL = Buffer.from('azhzOmVuYzpzZWNyZXRib3g6djE6a2V5MjqG6535bSoojJFUU3w79CZWTgSN9hCYtwXgbt7IBg9eCw8UJDdQ8TfHtXKcBs37ntuvRJ3hzWT5tTXXHsTzHiMMrLdhClmrAY4Ix+fNa1TJDONsq1uGgAkuYmSLWi69O09G3OwOiMje1sJpPWgQF3cHtrGct3We/YWwDoLLhcKbloINNWSjsjrlwXUUajxU9LjXvuYEshY103CsGwZnBP3rcHC7aNPVm7lJpVnRM0ywLf499pz06drQIFbO4umbvX/M3S6mo+M8FnqRH6sBbuGzYZngI46f4uhdqnxGbOBTGPjkzzyd4Yufg/cbw8sAAsIdy9jXpPbLcZZE3zB04K5bPMXVpmKG0ZIWHsTO+EKHZb9GtM/HshXaral5VXAWq3Kq82/L0iXbHj/MMGcFC6RbbHiASCveAN0MefSwPFT8F6B7NHD2U08lrqUwXVfuoYjXtkZh', 'base64');
const KEY = 'tIGBVhD1mjJDyqWwrah9VXQ+i6/nUSwew4qlVYc/c5c=';

test('a Secret that a real API server wrote opens with the bundle’s key and no other, and not when changed', () => {
  const keys = encryptionKeys(`secrets:\n  secretboxencryptionsecret: ${KEY}\n`);
  assert.equal(valueState(REAL, keys), 'decrypts');
  assert.equal(valueState(REAL, { secretbox: randomBytes(32) }), 'other key');
  assert.equal(valueState(REAL, {}), 'other key');
  const changed = Buffer.from(REAL);
  changed[200]! ^= 1;
  assert.equal(valueState(changed, keys), 'other key');
  assert.equal(valueState(REAL.subarray(0, 40), keys), 'other key');
});

test('aescbc, other providers and the clear', () => {
  const key = randomBytes(32);
  const keys = encryptionKeys(`secrets:\n  aescbcencryptionsecret: ${key.toString('base64')}\n`);
  const iv = randomBytes(16);
  const cipher = createCipheriv('aes-256-cbc', key, iv);
  const value = Buffer.concat([Buffer.from('k8s:enc:aescbc:v1:key1:'), iv, cipher.update('k8s\0an object'), cipher.final()]);
  assert.equal(valueState(value, keys), 'decrypts');
  assert.equal(valueState(value, { aescbc: randomBytes(32) }), 'other key');
  assert.equal(valueState(Buffer.from('k8s:enc:kms:v2:vault:whatever'), keys), 'other key');
  assert.equal(valueState(Buffer.from('k8s\0plain'), keys), 'plain');
});
