import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { createHostKey, startSwitch } from '../../lab/switch.ts';
import type { Host } from '../../lib/host.ts';
import { openTerminal } from '../../lib/ssh-terminal.ts';
import { connectSsh } from '../../lib/ssh.ts';
import type { PowerCommands, PowerSwitch } from '../../nodes/cluster.ts';
import { POWER_DRIVERS } from '../../nodes/power-drivers.ts';
import { observePower, readPower, setPower } from '../../nodes/power.ts';
import { testHost } from '../support/host.ts';

const PASSWORD = 'canary-switch-password';
const host = testHost();
// Nothing here takes time: each sleep lets five seconds pass.
let passed = 0;
const hasty: Host = { ...host, clock: { now: () => Date.now() + passed, sleep: async () => { passed += 5_000; } } };
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

const CUSTOM: PowerCommands = {
  on: 'poe {name} on', off: 'poe {name} off', show: 'poe {name}', isOn: '^{name}: (delivering|searching)', isOff: '^{name}: none$',
  samples: { port: 7, on: 'p7: delivering 3.7 W', off: 'p7: none' },
};
const KINDS: readonly Pick<PowerSwitch, 'driver' | 'portName' | 'commands'>[] = [
  { driver: 'openwrt' }, { driver: 'openwrt', portName: 'eth{port}' }, { driver: 'routeros' },
  { driver: 'netgear' }, { driver: 'netgear', portName: '0/{port}' }, { driver: 'cisco' }, { driver: 'cisco', portName: 'FastEthernet0/{port}' },
  { driver: 'custom', portName: 'p{port}', commands: CUSTOM },
  { driver: 'custom', portName: 'p{port}', commands: { ...CUSTOM, on: 'configure\npoe {name} on\nend', off: 'configure\npoe {name} off\nend', prompt: '\\(?[\\w-]+\\)?[>#]' } },
];

for (const kind of KINDS) {
  test(`one port of a switch of kind ${kind.driver}${kind.portName ? ` (${kind.portName})` : ''}${kind.commands?.prompt ? ' at a prompt' : ''} is switched and no other`, async () => {
    await using of = await opened(kind);
    const { power: one, lab: played } = of;
    assert.equal(await setPower(host, one, PASSWORD, 2, 'off'), 'changed');
    assert.equal(await observePower(host, one, PASSWORD, 2), 'off');
    assert.equal(await setPower(host, one, PASSWORD, 2, 'off'), 'already');
    assert.deepEqual([1, 2, 3, 4].map((port) => played.state(port)), ['on', 'off', 'on', 'on']);
    assert.equal(await setPower(host, one, PASSWORD, 2, 'on'), 'changed');
    assert.deepEqual(of.told, ['2 off', '2 on']);
    await assert.rejects(observePower(hasty, one, PASSWORD, 9), { code: 'E_POWER_ANSWER' });
    const lies = kind.driver === 'openwrt' || kind.driver === 'routeros';
    await assert.rejects(setPower(hasty, one, PASSWORD, 9, 'off'), { code: lies ? 'E_DEADLINE' : 'E_POWER_COMMAND' });
    assert.deepEqual([1, 2, 3, 4].map((port) => played.state(port)), ['on', 'on', 'on', 'on'], 'a port that is not there never means all');
    await assert.rejects(observePower(host, one, 'canary-wrong', 1), { code: 'E_SSH_AUTH' });
  });
}

test('a prompt that never comes, a switch that hangs, and one that shows page after page', async () => {
  await using of = await opened({ driver: 'netgear' }, 48);
  const { lab: played } = of;
  const ssh = await connectSsh({ host: '127.41.3.1', port: played.port, user: 'admin', password: PASSWORD, hostKey: played.fingerprint, signal: host.signal });
  const dialogue = { password: PASSWORD, lineMs: 5_000, signal: host.signal };
  const terminal = await openTerminal(ssh, { ...dialogue, prompt: /^\s*\([^()]*\) ?(?:\([^()]*\) ?)?[>#]\s*$/ });
  await terminal.type('enable');
  assert.equal(terminal.prompt(), '(M4300-28G-PoE+) #');
  const all = await terminal.type('show poe port info all');
  assert.deepEqual([...all.matchAll(/^\s*1\/0\/(\d+) /gm)].map((match) => Number(match[1])), Array.from({ length: 48 }, (_, index) => index + 1));
  assert.doesNotMatch(all, /More/);
  await assert.rejects(openTerminal(ssh, { ...dialogue, lineMs: 100, prompt: /^never$/ }), { code: 'E_SSH_TIMEOUT' });
  await played.fail('hang');
  await assert.rejects(openTerminal(ssh, { ...dialogue, lineMs: 100, prompt: /#$/ }), { code: 'E_SSH_TIMEOUT' });
  await played.fail(undefined);
  ssh.close();
});

test('a switch of one’s own can’t be played without knowing what it prints', async () => {
  const { samples: _, ...bare } = CUSTOM;
  await assert.rejects(opened({ driver: 'custom', commands: bare }), { code: 'E_LAB_SWITCH' });
});

async function opened(kind: Pick<PowerSwitch, 'driver' | 'portName' | 'commands'>, ports = 4) {
  const heard: string[] = [];
  const played = await startSwitch({
    address: '127.41.3.1', port: 0, user: 'admin', password: PASSWORD, hostKey: createHostKey(), ports, speaks: kind, initially: 'on', onPower: (port, state) => void heard.push(`${port} ${state}`),
  });
  const one: PowerSwitch = { ...kind, address: '127.41.3.1', sshPort: played.port, user: 'admin', hostKey: played.fingerprint };
  return { lab: played, power: one, told: heard, [Symbol.asyncDispose]: () => played.close() };
}

// As printed by the devices; the UniFi and OpenWrt texts are from published transcripts, the others from the manuals.
const SHOWN = {
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
  netgear: [
    '', '       High    Max   Class   Output   Output   Output   Temp.  Status             Fault', 'Intf   Power   Power         Power    Current  Voltage  (C)                       Status',
    '------ ------- ----- ------- -------- -------- -------- ------ ------------------ --------------',
    '1/0/1  Yes     32000 4       3400     64       53       41     Delivering Power   No Error', '1/0/2  Yes     32000 Unknown 0        0        0        39     Searching          No Error',
    '1/0/3  Yes     32000 Unknown 0        0        0        39     Disabled           No Error', '1/0/4  Yes     32000 Unknown 0        0        0        39     Other Fault        Short',
    '1/0/11 Yes     32000 4       3400     64       53       41     Delivering Power   No Error',
  ].join('\r\n'),
  cisco: [
    'Interface Admin  Oper       Power   Device              Class Max', '                            (Watts)', '--------- ------ ---------- ------- ------------------- ----- ----',
    'Gi1/0/1   auto   on         6.3     Ieee PD             4     30.0', 'Gi1/0/2   auto   off        0.0     n/a                 n/a   30.0',
    'Gi1/0/3   off    off        0.0     n/a                 n/a   30.0', 'Gi1/0/4   off    on         6.3     Ieee PD             4     30.0', 'Gi1/0/11  auto   on         6.3     Ieee PD             4     30.0',
  ].join('\r\n'),
};

test('drivers read what their devices print', () => {
  const states = (driver: keyof typeof SHOWN): (string | undefined)[] => [1, 2, 3, 4, 5].map((port) => readPower(POWER_DRIVERS[driver], port, SHOWN[driver]));
  assert.deepEqual(states('unifi'), ['on', 'on', 'off', undefined, undefined], 'told off but still giving power is not off');
  for (const driver of ['openwrt', 'netgear', 'cisco'] as const) assert.deepEqual(states(driver), ['on', 'on', 'off', undefined, undefined], driver);
  const shown = (out: string, status: string): string => `                name: ether9\r\n             poe-out: ${out}\r\n      poe-out-status: ${status}\r\n`;
  assert.equal(readPower(POWER_DRIVERS.routeros, 9, shown('auto-on', 'powered-on')), 'on');
  assert.equal(readPower(POWER_DRIVERS.routeros, 9, shown('off', 'disabled')), 'off');
  assert.equal(readPower(POWER_DRIVERS.routeros, 9, shown('off', 'powered-on')), undefined);
});
