import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import 'reflect-metadata';
import * as x509 from '@peculiar/x509';
import { checkSteps } from '../../bootstrap/check.ts';
import { createFacts, type Facts } from '../../bootstrap/facts.ts';
import { planSteps, runSteps } from '../../bootstrap/runner.ts';
import { certificateIsOpen, nasCertificateStep, trustedNas } from '../../bootstrap/steps/nas-certificate.ts';
import { issue, privatePem } from '../../lab/kubernetes/pki.ts';
import { problem } from '../../lib/errors.ts';
import type { Host, Question } from '../../lib/host.ts';
import { readLock } from '../../lib/lock-file.ts';
import { loadCluster } from '../../nodes/load.ts';
import type { NasOptions } from '../../lab/nas/types.ts';
import { credentials, failure, findingsOf, openDesk } from '../storage/support.ts';

// The NAS's certificate at first use and ever after, against a real TLS server.

const ADDRESS = '127.21.8.1';
const gandalf = await loadCluster(join(import.meta.dirname, '../../examples/homelab/machines/gandalf'));

/** A desk with a NAS whose certificate the cluster file says nothing of, and a person with this answer. */
async function open(answer: string | undefined, options: Partial<NasOptions> = {}) {
  const desk = await openDesk(ADDRESS, options);
  const { certificate, ...nas } = desk.nas;
  const questions: Question[] = [];
  const host: Host = {
    ...desk.host,
    ask: async (question) => {
      questions.push(question);
      if (answer === undefined) throw problem('E_NOBODY', 'nobody can be asked', 'Run it at a terminal.');
      return answer;
    },
  };
  const facts = createFacts({ ...gandalf, folder: desk.host.scratch }, desk.host.scratch);
  return { desk, nas, host, facts, questions, shown: certificate ?? '', step: nasCertificateStep(facts, nas), [Symbol.asyncDispose]: () => desk[Symbol.asyncDispose]() };
}

test('first use: shown with its fingerprint, asked for, kept; the second time nobody is asked', async () => {
  await using at = await open('yes');
  const [plan] = await planSteps([at.step], at.host);
  assert.equal(plan?.end, 'would');
  assert.match(plan!.detail, new RegExp(at.shown));
  assert.equal(at.questions.length, 0);
  await runSteps([at.step], at.host);
  assert.equal(at.questions.length, 1);
  assert.match(at.questions[0]!.text, new RegExp(at.shown.toUpperCase().match(/../g)!.join(':')));
  assert.equal(at.questions[0]!.fallback, undefined);
  assert.deepEqual((await readLock(at.facts.lockFile)).nas, { certificate: at.shown });
  assert.equal((await findingsOf(at.desk.host, await trustedNas(at.host, at.facts, at.nas), credentials)).length, 2);
  const again = await runSteps([at.step], at.host);
  assert.deepEqual([again.steps[0]?.end, at.questions.length], ['already', 1]);
});

for (const [what, answer, code] of [['no', 'no', 'E_DSM_CERTIFICATE_REFUSED'], ['an empty answer', '', 'E_DSM_CERTIFICATE_REFUSED'], ['nobody there, or --yes', undefined, 'E_DSM_CERTIFICATE_UNKNOWN']] as const) {
  test(`${what}: ${code}, nothing kept and nothing sent`, async () => {
    await using at = await open(answer);
    const error = await failure(runSteps([at.step], at.host));
    assert.equal(error.code, code);
    assert.equal((await readLock(at.facts.lockFile)).nas, undefined);
    assert.equal((await failure(trustedNas(at.host, at.facts, at.nas))).code, 'E_DSM_CERTIFICATE_UNKNOWN');
    assert.deepEqual(at.desk.lab.requests, []);
  });
}

test('a changed certificate is refused with both fingerprints, and never asked about', async () => {
  const kept = 'ab'.repeat(32);
  await using at = await open('yes');
  writeFileSync(at.facts.lockFile, `# mine\nnas:\n  certificate: ${kept}\n`);
  const error = await failure(runSteps([at.step], at.host));
  assert.equal(error.code, 'E_DSM_CERTIFICATE_CHANGED');
  assert.match(error.message, new RegExp(`${at.shown}.*${kept}`));
  assert.match(error.hint, /firstlight\.lock\.yaml/);
  assert.equal(at.questions.length, 0);
  assert.deepEqual(at.desk.lab.requests, []);
  assert.match(readFileSync(at.facts.lockFile, 'utf8'), /# mine/);
});

test('an authority of one’s own: its certificate for this address is enough, another authority’s or another address is not', async (t) => {
  const authority = await makeAuthority();
  const signed = await issue({ crt: authority.crt, key: authority.key }, { commonName: 'synology', sans: [ADDRESS], usages: ['server'], days: 1 });
  await using at = await open(undefined, { https: { cert: signed.crt, key: signed.key } });
  const file = (name: string, text: string): string => {
    const path = join(at.desk.host.scratch, name);
    writeFileSync(path, text);
    return path;
  };
  const ca = file('ca.pem', authority.crt);
  await t.test('trusted without a question', async () => {
    assert.equal(certificateIsOpen({ ...at.nas, ca }), false);
    const nas = await trustedNas(at.host, at.facts, { ...at.nas, ca });
    assert.equal((await findingsOf(at.desk.host, nas, credentials)).length, 2);
  });
  const before = at.desk.lab.requests.length;
  await t.test('another authority', async () => {
    const error = await failure(findingsOf(at.desk.host, { ...at.nas, ca: file('other.pem', (await makeAuthority()).crt) }, credentials));
    assert.equal(error.code, 'E_DSM_CERTIFICATE');
    assert.match(error.hint, /`ca`/);
  });
  await t.test('a file that is none, and none at all', async () => {
    assert.equal((await failure(findingsOf(at.desk.host, { ...at.nas, ca: file('empty.pem', 'hello') }, credentials))).code, 'E_DSM_CA');
    assert.equal((await failure(findingsOf(at.desk.host, { ...at.nas, ca: '/nowhere/ca.pem' }, credentials))).code, 'E_DSM_CA');
  });
  assert.equal(at.desk.lab.requests.length, before);
});

test('a certificate of the authority for another address is not enough', async () => {
  const authority = await makeAuthority();
  const signed = await issue({ crt: authority.crt, key: authority.key }, { commonName: 'synology', sans: ['127.21.8.99'], usages: ['server'], days: 1 });
  await using at = await open(undefined, { https: { cert: signed.crt, key: signed.key } });
  const ca = join(at.desk.host.scratch, 'ca.pem');
  writeFileSync(ca, authority.crt);
  const error = await failure(findingsOf(at.desk.host, { ...at.nas, ca }, credentials));
  assert.equal(error.code, 'E_DSM_CERTIFICATE');
  assert.match(error.message, /ALTNAME/);
  assert.deepEqual(at.desk.lab.requests, []);
});

test('plain http and a pin ask nobody', async () => {
  await using at = await open(undefined);
  for (const nas of [{ ...at.nas, https: false }, { ...at.nas, certificate: at.shown }]) {
    assert.equal(certificateIsOpen(nas), false);
    assert.deepEqual(await trustedNas(at.host, at.facts, nas), nas);
  }
});

test('check warns where the NAS password goes over plain http, and tells what `up` would do', async () => {
  await using at = await open(undefined, { https: false });
  const facts: Facts = { ...at.facts, cluster: { ...gandalf, nas: { ...at.nas, https: false } }, credentials: async () => credentials };
  const look = checkSteps(facts).find((step) => step.id === 'nas')!;
  const seen = await look.observe(at.host);
  assert.match(seen.state === 'done' ? seen.detail : '', /would do: LUN gandalf-data: there is no LUN.*! plain http: the NAS password/);
  assert.ok(at.desk.lab.requests.every((request) => !request.wrote));
});

async function makeAuthority(): Promise<{ readonly crt: string; readonly key: string }> {
  x509.cryptoProvider.set(crypto);
  const keys = await crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, true, ['sign', 'verify']);
  const made = await x509.X509CertificateGenerator.createSelfSigned({
    keys, name: `CN=home ${randomBytes(4).toString('hex')}`, signingAlgorithm: { name: 'ECDSA', hash: 'SHA-256' },
    extensions: [new x509.BasicConstraintsExtension(true, undefined, true), new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign, true)],
  });
  return { crt: made.toString('pem'), key: await privatePem(keys.privateKey) };
}
