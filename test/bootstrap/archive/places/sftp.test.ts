import assert from 'node:assert/strict';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { sftpPlace, type SftpOptions } from '../../../../bootstrap/archive/places/sftp.ts';
import { newSshKey } from '../../../../lib/ssh-key.ts';
import { startSftp, type LabSftp } from '../../../../lab/nas/sftp.ts';
import { testHost, type TestHost } from '../../../support/host.ts';
import { archiveFile, FIRST, holdsContract, sha256 } from './contract.ts';

const ADDRESS = '127.101.20.1';
const PASSWORD = 'canary-sftp-password-51c2';
const root = mkdtempSync(join(tmpdir(), 'firstlight-sftp-'));
const login = newSshKey();
const hostKey = newSshKey().private;
/** OpenSSH's own, where it is installed. */
const real = ['/usr/lib/openssh/sftp-server', '/usr/lib/ssh/sftp-server', '/usr/libexec/sftp-server', '/usr/libexec/openssh/sftp-server'].find((path) => existsSync(path));
let played: LabSftp;
let genuine: LabSftp | undefined;

before(async () => {
  const common = { address: ADDRESS, port: 0, user: 'backup', password: PASSWORD, authorizedKeys: [login.public], hostKey, root };
  played = await startSftp(common);
  if (real !== undefined) genuine = await startSftp({ ...common, program: real });
});
after(async () => {
  await played.close();
  await genuine?.close();
  rmSync(root, { recursive: true });
});

const secrets = [PASSWORD, ...login.private.split('\n').slice(1, -2)];
const options = (server: LabSftp, path: string): SftpOptions => ({ name: 'nas', host: ADDRESS, port: server.port, user: 'backup', path, hostKey: server.fingerprint, password: PASSWORD, cluster: 'gandalf' });
const folderOf = (name: string) => ({
  names: () => readdirSync(join(root, name)).sort(),
  strew: (file: string) => { mkdirSync(join(root, name), { recursive: true }); writeFileSync(join(root, name, file), 'x'); },
  secrets,
});

holdsContract('SFTP', () => ({ open: (host) => sftpPlace(host, options(played, '/a')), ...folderOf('a') }));
holdsContract('SFTP of OpenSSH', () => {
  const { password: _, ...rest } = options(genuine ?? played, join(root, 'b'));
  return { open: (host) => sftpPlace(host, { ...rest, privateKey: login.private }), ...folderOf('b') };
}, () => (real === undefined ? 'OpenSSH’s sftp-server is not installed' : undefined));

/** The error of a call, whose whole text holds no secret. */
async function fault(host: TestHost, work: Promise<unknown>): Promise<string> {
  const error = await work.then(() => assert.fail('it went well'), (thrown: Error & { code: string; hint: string }) => thrown);
  const text = [error.message, error.hint, error.stack, JSON.stringify(error), String((error.cause as Error | undefined)?.stack), JSON.stringify(host.events)].join('\n');
  for (const secret of secrets) assert.ok(!text.includes(secret));
  assert.ok(error.hint.length > 10, error.message);
  return error.code;
}

test('what goes wrong at the other machine is told by a code, and the next try is a new connection', { timeout: 60_000 }, async () => {
  const host = testHost();
  const place = sftpPlace(host, options(played, '/c'));
  const file = archiveFile(host);
  for (const [mode, code] of [['refuse', 'E_SSH_REFUSED'], ['full', 'E_PLACE_FULL'], ['rot', 'E_PLACE_READ_BACK'], [{ cutAt: 300_000 }, 'E_SSH_CLOSED']] as const) {
    await played.fail(mode);
    assert.equal(await fault(host, place.put(FIRST, file)), code);
    await played.fail(undefined);
    if (mode === 'refuse') continue;
    assert.deepEqual(await place.list(), []);
    const left = readdirSync(join(root, 'c'));
    assert.ok(left.every((name) => name.startsWith('.')) && left.length <= (code === 'E_SSH_CLOSED' ? 1 : 0), left.join());
  }
  const hasty = sftpPlace(host, { ...options(played, '/c'), answerMs: 300 });
  await played.fail('mute');
  assert.equal(await fault(host, hasty.put(FIRST, file)), 'E_SSH_TIMEOUT');
  await played.fail(undefined);
  await place.put(FIRST, file);
  const back = join(host.scratch, 'back');
  await hasty.get(FIRST, back);
  assert.equal(sha256(back), sha256(file));
  await Promise.all([place.close(), hasty.close()]);
  host.remove();
});

test('a machine that lets in and then never opens its SFTP is given up', { timeout: 20_000 }, async () => {
  const host = testHost();
  const program = join(host.scratch, 'sftp-server');
  writeFileSync(program, '#!/bin/sh\nexec sleep 60\n');
  chmodSync(program, 0o755);
  const stuck = await startSftp({ address: ADDRESS, port: 0, user: 'backup', password: PASSWORD, hostKey, root, program });
  const place = sftpPlace(host, { ...options(stuck, '/c'), answerMs: 300 });
  assert.equal(await fault(host, place.list()), 'E_SSH_TIMEOUT');
  await place.close();
  await stuck.close();
  host.remove();
});

test('another host key, another password and a missing folder are refused with what to do', { timeout: 60_000 }, async () => {
  const host = testHost();
  const refused = async (changes: Partial<SftpOptions>): Promise<string> => {
    const place = sftpPlace(host, { ...options(played, '/c'), ...changes });
    return fault(host, place.list()).finally(() => place.close());
  };
  const logins = played.logins();
  assert.equal(await refused({ hostKey: 'SHA256:29JATVllDHrWGLxZ0Fgt8s38FdtagO6F4OCl4eP2+xo' }), 'E_SSH_HOST_KEY');
  assert.equal(await refused({ password: 'canary-other-password' }), 'E_SSH_AUTH');
  assert.equal(played.logins(), logins);
  assert.equal(await refused({ path: '/no/such/share' }), 'E_PLACE_FOLDER');
  const empty = sftpPlace(host, options(played, '/not-yet'));
  assert.deepEqual(await empty.list(), []);
  await empty.close();
  assert.ok(!readdirSync(root).includes('not-yet'), 'a look makes nothing');
  assert.deepEqual(readdirSync(root).filter((name) => name === 'no'), []);
  host.remove();
});
