import { createDecipheriv } from 'node:crypto';
import { xsalsa20poly1305 } from '@noble/ciphers/salsa.js';
import { parse } from 'yaml';

/** How a value lies in etcd: in the clear, or encrypted and opened by the bundle's key, or by none of its keys. */
export type ValueState = 'plain' | 'decrypts' | 'other key';

/** The keys with which a cluster's API servers encrypt Secrets, as the bundle has them. */
export type EncryptionKeys = { readonly secretbox?: Uint8Array; readonly aescbc?: Uint8Array };

/** Every object in etcd begins with it, in the clear (kubernetes/apimachinery:pkg/runtime/serializer/protobuf/protobuf.go, protoEncodingPrefix). */
const OBJECT = Buffer.from('k8s\0');
const NONCE = 24;
const IV = 16;

/** The encryption keys in a secrets bundle's text (base64 in YAML; siderolabs/talos:pkg/machinery/config/generate/secrets/bundle.go). */
export function encryptionKeys(bundleText: string): EncryptionKeys {
  const { secrets = {} } = parse(bundleText) as { secrets?: { secretboxencryptionsecret?: string; aescbcencryptionsecret?: string } };
  const [secretbox, aescbc] = [secrets.secretboxencryptionsecret, secrets.aescbcencryptionsecret];
  return {
    ...(secretbox ? { secretbox: Buffer.from(secretbox, 'base64') } : {}),
    ...(aescbc ? { aescbc: Buffer.from(aescbc, 'base64') } : {}),
  };
}

/**
 * Whether a value of etcd can be read with these keys. Forms: `k8s:enc:secretbox:v1:NAME:` with nonce and NaCl box, `k8s:enc:aescbc:v1:NAME:`
 * with IV and AES-CBC (kubernetes/apiserver:pkg/storage/value/encrypt/{secretbox,aes}); what other providers wrote is of another key.
 * Never throws; nothing of the value is kept.
 */
export function valueState(value: Uint8Array, keys: EncryptionKeys): ValueState {
  const bytes = Buffer.from(value.buffer, value.byteOffset, value.byteLength);
  const head = /^k8s:enc:(\w+):v\d+:[^:]*:/.exec(bytes.subarray(0, 300).toString('latin1'));
  if (!head) return 'plain';
  const sealed = bytes.subarray(head[0].length);
  try {
    const opened = head[1] === 'secretbox' && keys.secretbox ? secretbox(sealed, keys.secretbox)
      : head[1] === 'aescbc' && keys.aescbc ? aescbc(sealed, keys.aescbc) : undefined;
    return opened && OBJECT.equals(opened.subarray(0, OBJECT.length)) ? 'decrypts' : 'other key';
  } catch {
    return 'other key';
  }
}

function secretbox(sealed: Buffer, key: Uint8Array): Uint8Array {
  return xsalsa20poly1305(key, sealed.subarray(0, NONCE)).decrypt(sealed.subarray(NONCE));
}

/** CBC has no proof of its own: a wrong key shows in the padding or the object's first bytes. */
function aescbc(sealed: Buffer, key: Uint8Array): Uint8Array {
  const cipher = createDecipheriv(`aes-${key.length * 8}-cbc`, key, sealed.subarray(0, IV));
  return Buffer.concat([cipher.update(sealed.subarray(IV)), cipher.final()]);
}
