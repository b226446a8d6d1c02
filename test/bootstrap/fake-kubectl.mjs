#!/usr/bin/env node
// A cluster of two facts, kept in the folder FAKE_CLUSTER: Secret sops-age, and a Flux that has always followed the git host. Every
// change of the Secret is written to `story`, with the commit that Flux sees at that moment.
import { execFileSync } from 'node:child_process';
import { appendFileSync, existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const folder = process.env.FAKE_CLUSTER;
const words = process.argv.slice(2).join(' ');
const secret = join(folder, 'sops-age.json');
const head = () => execFileSync('git', ['-C', join(folder, 'homelab.git'), 'rev-parse', 'main'], { encoding: 'utf8' }).trim();

if (/^get --raw \/readyz/.test(words)) process.stdout.write('ok');
else if (/^get -n flux-system secret\/sops-age/.test(words)) process.stdout.write(existsSync(secret) ? readFileSync(secret) : '');
else if (/^get kustomizations/.test(words)) {
  const conditions = [{ type: 'Ready', status: 'True', message: 'applied' }];
  const spec = { sourceRef: { kind: 'GitRepository', name: 'flux-system' } };
  process.stdout.write(JSON.stringify({ kind: 'Kustomization', metadata: { name: 'flux-system', namespace: 'flux-system' }, spec, status: { lastAppliedRevision: `main@sha1:${head()}`, conditions } }));
} else if (/^apply /.test(words)) {
  const item = JSON.parse(readFileSync(0, 'utf8')).items.find((one) => one.kind === 'Secret');
  writeFileSync(`${secret}.new`, JSON.stringify(item));
  renameSync(`${secret}.new`, secret);
  appendFileSync(join(folder, 'story'), `${JSON.stringify({ head: head(), held: item.data['age.agekey'] })}\n`);
} else if (!/^annotate /.test(words)) {
  process.stderr.write(`error: unknown: ${words}\n`);
  process.exitCode = 1;
}
