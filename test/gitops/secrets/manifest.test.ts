import assert from 'node:assert/strict';
import { test } from 'node:test';
import { secretContent } from '../../../gitops/secrets/manifest.ts';
import { readKeyPath, writeKeyPath } from '../../../gitops/secrets/key-path.ts';

test('a Secret in the clear is known in every way it can be written', () => {
  const secrets = {
    'quoted.yaml': "kind: 'Secret'\nstringData: { a: x }\n", 'flow.yaml': '{ apiVersion: v1, kind: Secret, data: { a: eA== } }\n',
    'line.json': '{"apiVersion":"v1","kind":"Secret","data":{"a":"eA=="}}', 'list.yaml': 'kind: List\nitems:\n  - kind: Secret\n    stringData: { a: x }\n',
    'windows.yml': 'kind: Secret\r\nstringData:\r\n  a: x\r\n', 'marked.yaml': '\uFEFFkind: Secret\nstringData: { a: x }\n',
    'anchor.yaml': 'kind: Secret\nmetadata: { labels: { x: &a x } }\nstringData: { a: *a }\n', 'kustomization.yaml': 'secretGenerator: [{ name: a, literals: [token=x] }]\n',
  };
  for (const [path, text] of Object.entries(secrets)) assert.equal(secretContent(path, text).kind, 'plain', path);
});

test('a variable, a template’s place, an empty value, a word about secrets are none', () => {
  for (const text of ['kind: Secret\nstringData: { a: "${token}" }\n', 'kind: Secret\nstringData: { a: "{{ .Values.token }}" }\n', 'kind: Secret\ndata: { a: "" }\nstringData:\n', 'kind: ConfigMap\ndata: { note: "kind: Secret" }\n', '', '[1]', '% no yaml: {']) {
    assert.equal(secretContent('x.yaml', text).kind, 'none', text);
  }
});

test('a sops file for other kinds of keys alone is encrypted, for nobody of the inventory; marks of a merge in one are told', () => {
  const sops = 'token: ENC[AES256_GCM,data:x]\nsops:\n  pgp:\n    - { fp: ABC, enc: x }\n  mac: ENC[x]\n';
  assert.deepEqual(secretContent('a.sops.yaml', sops), { kind: 'encrypted', recipients: [], grouped: false, keys: [{ path: 'token', line: 1 }], plainKeys: [] });
  const content = secretContent('a.sops.yaml', `<<<<<<< HEAD\n${sops}=======\n${sops}>>>>>>> other\n`);
  assert.match(content.kind === 'plain' ? content.what : '', /merge conflict/);
});

test('the file’s own rules say what may be plain: suffixes and expressions, at any depth', () => {
  const plain = (rule: string): unknown => {
    const content = secretContent('a.sops.yaml', `a: { b_plain: x, c: y }\nsops: { ${rule}, age: [{ recipient: age1x }], mac: x }\n`);
    return content.kind === 'encrypted' ? content.plainKeys : content.kind;
  };
  assert.deepEqual(plain('version: 3'), ['a.b_plain', 'a.c']);
  assert.deepEqual(plain('unencrypted_suffix: _plain'), ['a.c']);
  assert.deepEqual(plain('encrypted_suffix: _plain'), ['a.b_plain']);
  assert.deepEqual(plain('encrypted_regex: ^c$'), ['a.c']);
  assert.deepEqual(plain('unencrypted_regex: ^a$, mac_only_encrypted: true'), []);
  assert.deepEqual(plain('encrypted_regex: "(?P<go>c)"'), []);
});

test('the way to a value is read as it is written', () => {
  for (const [text, keys] of [['a', ['a']], ['a.b-c', ['a', 'b-c']], ['a[0].b', ['a', 0, 'b']], ['a."b.c".d', ['a', 'b.c', 'd']], ['"x[0]"[1][2]', ['x[0]', 1, 2]]] as const) {
    assert.deepEqual(readKeyPath(text), keys, text);
    assert.equal(writeKeyPath(keys), text);
  }
  for (const text of ['', '.a', 'a.', 'a..b', '[0]', 'a[x]', '"a', 'a"b"', 'a[0]b', '"a"b']) assert.equal(readKeyPath(text), undefined, text);
});
