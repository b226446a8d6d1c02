import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { createHostKey, startSwitch, type LabSwitch } from '../../lab/switch.ts';
import { createRunner } from '../../lib/process.ts';
import { createMask } from '../../lib/masking.ts';
import { connectSsh, type Ssh } from '../../lib/ssh.ts';

const ADDRESS = '127.41.2.1';
const PASSWORD = 'lab password';
const told: string[] = [];
const folder = mkdtempSync(join(tmpdir(), 'firstlight-test-'));
const lab: LabSwitch = await startSwitch({
  address: ADDRESS, port: 0, user: 'admin', password: PASSWORD, hostKey: createHostKey(), ports: 4,
  onPower: (port, state) => {
    if (port === 4) throw new Error('no board there');
    told.push(`${port} ${state}`);
  },
});
after(async () => {
  await lab.close();
  rmSync(folder, { recursive: true });
});

function connect(timeoutMs = 5_000): Promise<Ssh> {
  return connectSsh({ host: ADDRESS, port: lab.port, user: 'admin', password: PASSWORD, hostKey: lab.fingerprint, signal: new AbortController().signal, timeoutMs });
}

test('it answers swctrl as a UniFi switch does', async () => {
  const ssh = await connect();
  assert.equal((await ssh.exec('swctrl poe set auto id 2')).exitCode, 0);
  assert.deepEqual([lab.state(1), lab.state(2)], ['off', 'on']);
  const shown = await ssh.exec('swctrl poe show id 1-2');
  assert.match(shown.stdout, /^ +1 +Off +Dot3at +32000 +Unknown +Off +Bad/m);
  assert.match(shown.stdout, /^ +2 +Auto +Dot3at +32000 +Class 4 +On +Good/m);
  assert.doesNotMatch(shown.stdout, /^ +3 /m);
  await ssh.exec('swctrl poe set auto id 1,3');
  await ssh.exec('swctrl poe set auto id 2');
  await ssh.exec('swctrl poe restart id 3');
  await ssh.exec('swctrl poe set off 3');
  assert.deepEqual(told, ['2 on', '1 on', '3 on', '3 off', '3 on', '1 off', '2 off', '3 off'], 'without id, every port is meant');
  assert.throws(() => lab.state(5), RangeError);
  ssh.close();
});

test('it refuses unknown programs, ports, words and passwords', async () => {
  const ssh = await connect();
  assert.equal((await ssh.exec('reboot')).exitCode, 127);
  assert.notEqual((await ssh.exec('swctrl poe set off id 9')).exitCode, 0);
  assert.notEqual((await ssh.exec('swctrl poe set on id 1')).exitCode, 0);
  assert.notEqual((await ssh.exec('swctrl poe set auto id 4')).exitCode, 0);
  assert.equal(lab.state(4), 'off', 'a port whose board could not be powered is not on');
  ssh.close();
  await assert.rejects(connectSsh({ host: ADDRESS, port: lab.port, user: 'admin', password: 'wrong', hostKey: lab.fingerprint, signal: new AbortController().signal }), { code: 'E_SSH_AUTH' });
});

test('told to fail, it refuses or hangs, and heals', async () => {
  const ssh = await connect();
  await lab.fail('hang');
  await assert.rejects(ssh.exec('swctrl poe set auto id 1', { timeoutMs: 100 }), { code: 'E_SSH_TIMEOUT' });
  assert.equal(lab.state(1), 'off', 'a hanging switch does nothing');
  await assert.rejects(connect(100), { code: 'E_SSH_TIMEOUT' });
  await lab.fail('refuse');
  await assert.rejects(connect(), { code: 'E_SSH_REFUSED' });
  await lab.fail(undefined);
  (await connect()).close();
});

test('the OpenSSH client speaks with it too', async (t) => {
  const run = createRunner({ programs: new Map(), mask: createMask(), signal: new AbortController().signal, environment: { PATH: process.env['PATH'] ?? '', HOME: folder } });
  const there = await run({ program: 'ssh', args: ['-V'], accept: 'any' }).catch(() => undefined);
  if (there === undefined) return t.skip('no ssh on this machine');
  const askpass = join(folder, 'askpass');
  writeFileSync(askpass, '#!/bin/sh\nprintf "%s\\n" "$LAB_PASSWORD"\n', { mode: 0o700 });
  const result = await run({
    program: 'ssh',
    args: ['-F', 'none', '-o', 'StrictHostKeyChecking=accept-new', '-o', `UserKnownHostsFile=${join(folder, 'known')}`, '-o', 'PreferredAuthentications=password',
      '-p', String(lab.port), `admin@${ADDRESS}`, 'swctrl poe show id 4'],
    env: { SSH_ASKPASS: askpass, SSH_ASKPASS_REQUIRE: 'force', LAB_PASSWORD: PASSWORD }, timeoutMs: 15_000,
  });
  assert.match(result.stdout, /^ +4 +Off/m);
  const scanned = await run({ program: 'ssh-keygen', args: ['-lf', join(folder, 'known')] });
  assert.ok(scanned.stdout.includes(lab.fingerprint), 'ssh-keygen prints the same fingerprint');
});
