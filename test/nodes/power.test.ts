import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { createHostKey, startSwitch } from '../../lab/switch.ts';
import type { PowerSwitch } from '../../nodes/cluster.ts';
import { POWER_DRIVERS } from '../../nodes/power-drivers.ts';
import { observePower, readPower, setPower } from '../../nodes/power.ts';
import { testHost } from '../support/host.ts';

const PASSWORD = 'canary-switch-password';
const host = testHost();
const told: string[] = [];
const lab = await startSwitch({
  address: '127.41.3.1', port: 0, user: 'admin', password: PASSWORD, hostKey: createHostKey(), ports: 4,
  onPower: (port, state) => void told.push(`${port} ${state}`),
});
const power: PowerSwitch = { address: '127.41.3.1', sshPort: lab.port, user: 'admin', hostKey: lab.fingerprint, driver: 'unifi' };
after(async () => {
  await lab.close();
  host.remove();
});

test('a port is observed, switched, read back, and left alone when it is right', async () => {
  assert.equal(await observePower(host, power, PASSWORD, 2), 'off');
  assert.equal(await setPower(host, power, PASSWORD, 2, 'on'), 'changed');
  assert.equal(await observePower(host, power, PASSWORD, 2), 'on');
  assert.equal(await setPower(host, power, PASSWORD, 2, 'on'), 'already');
  assert.equal(await setPower(host, power, PASSWORD, 2, 'off'), 'changed');
  assert.deepEqual(told, ['2 on', '2 off']);
  assert.deepEqual([1, 3, 4].map((port) => lab.state(port)), ['off', 'off', 'off'], 'no other port was touched');
});

test('four ports at once are four ports', async () => {
  await Promise.all([1, 2, 3, 4].map((port) => setPower(host, power, PASSWORD, port, 'on')));
  assert.deepEqual([1, 2, 3, 4].map((port) => lab.state(port)), ['on', 'on', 'on', 'on']);
  await Promise.all([1, 2, 3, 4].map((port) => setPower(host, power, PASSWORD, port, 'off')));
});

test('a port that the switch has not, and a wrong password, are coded errors without the password', async () => {
  await assert.rejects(observePower(host, power, PASSWORD, 9), { code: 'E_POWER_ANSWER', message: /about port 9: Invalid port id$/ });
  await assert.rejects(setPower(host, power, PASSWORD, 9, 'on'), { code: 'E_POWER_COMMAND' });
  await assert.rejects(observePower(host, power, 'canary-wrong', 1), (error: Error & { code: string }) => error.code === 'E_SSH_AUTH' && !error.message.includes('canary'));
  await assert.rejects(observePower(host, { ...power, driver: 'abacus' }, PASSWORD, 1), { code: 'E_POWER_DRIVER' });
  assert.equal(host.mask.hide(`say ${PASSWORD}`).includes(PASSWORD), false, 'the password is masked everywhere');
});

// As printed by the devices; the UniFi and OpenWrt texts are from published transcripts, RouterOS's from the manual.
const SHOWN: Record<keyof typeof POWER_DRIVERS, string> = {
  unifi: [
    'Total Power Limit(mW): 45000', '',
    'Port  OpMode      HpMode    PwrLimit   Class   PoEPwr  PwrGood  Power(W)  Voltage(V)  Current(mA)',
    '                              (mW)', '----  ------  ------------  --------  -------  ------  -------  --------  ----------  -----------',
    '   1    Auto        Dot3at        -1  Class 4      On     Good      7.90       53.74       147.00',
    '   2    Auto        Dot3at     32000  Unknown     Off      Bad      0.00        0.00         0.00',
    '   3     Off        Dot3at     32000  Unknown     Off      Bad      0.00        0.00         0.00',
    '   4     Off        Dot3at     32000  Class 4      On     Good      3.40       53.11        64.00',
  ].join('\r\n'),
  openwrt: JSON.stringify({ firmware: 'v17.1', budget: 70, ports: {
    lan1: { priority: 2, mode: 'PoE+', status: 'Delivering power', consumption: 3.1 }, lan2: { priority: 2, mode: 'PoE', status: 'Searching' },
    lan3: { priority: 2, mode: 'PoE', status: 'Disabled' }, lan4: { priority: 2, mode: 'PoE', status: 'unknown' },
  } }, undefined, '\t'),
  routeros: '',
};

test('drivers read what their devices print', () => {
  const states = (driver: 'unifi' | 'openwrt'): (string | undefined)[] => [1, 2, 3, 4, 5].map((port) => readPower(POWER_DRIVERS[driver], port, SHOWN[driver]));
  assert.deepEqual(states('unifi'), ['on', 'on', 'off', undefined, undefined], 'told off but still giving power is not off');
  assert.deepEqual(states('openwrt'), ['on', 'on', 'off', undefined, undefined]);
  const shown = (out: string, status: string): string => `                name: ether9\r\n             poe-out: ${out}\r\n      poe-out-status: ${status}\r\n`;
  assert.equal(readPower(POWER_DRIVERS.routeros, 9, shown('auto-on', 'powered-on')), 'on');
  assert.equal(readPower(POWER_DRIVERS.routeros, 9, shown('off', 'disabled')), 'off');
  assert.equal(readPower(POWER_DRIVERS.routeros, 9, shown('off', 'powered-on')), undefined);
});
