import { problem } from '../lib/errors.ts';
import type { PowerSwitch } from '../nodes/cluster.ts';
import { ciscoTerminal } from './switch-cisco.ts';
import { answerCommand, type Answer, type Ports, type SetPort } from './switch-commands.ts';
import { customDialect } from './switch-custom.ts';
import { netgearTerminal } from './switch-netgear.ts';
import type { Cli } from './switch-terminal.ts';

/** What of the inventory says how a switch is spoken to. */
export type Spoken = Pick<PowerSwitch, 'driver' | 'portName' | 'commands'>;

/** How a switch is spoken to: one command at a time, or at the prompt of a terminal (and then no other way). */
export type Dialect =
  | { readonly answer: (line: string, ports: Ports, set: SetPort) => Promise<Answer> }
  | { readonly terminal: (ports: Ports, set: SetPort, password: string) => Cli };

/** The dialect of a declared switch. Throws `E_LAB_SWITCH` for one that nobody here can play. */
export function dialectOf(spoken: Spoken): Dialect {
  const { driver, portName, commands } = spoken;
  switch (driver) {
    case 'unifi': return { answer: answerCommand };
    case 'openwrt': return { answer: (line, ports, set) => openwrt(line, ports, set, named(portName ?? 'lan{port}')) };
    case 'routeros': return { answer: (line, ports, set) => routeros(line, ports, set, named(portName ?? 'ether{port}')) };
    case 'netgear': return { terminal: (ports, set, password) => netgearTerminal(ports, set, password, named(portName ?? '1/0/{port}')) };
    case 'cisco': return { terminal: (ports, set, password) => ciscoTerminal(ports, set, password, named(portName ?? 'GigabitEthernet1/0/{port}')) };
    case 'custom': if (commands) return customDialect(commands, named(portName ?? '{port}'));
  }
  throw problem('E_LAB_SWITCH', `no switch of kind ${driver} can be played`, 'Rehearse with one of the kinds that firstlight drives.');
}

/** What the switch calls its ports. */
export type Naming = (port: number) => string;

function named(template: string): Naming {
  return (port) => template.replaceAll('{port}', String(port));
}

/** realtek-poe's ubus object. As on the real one, `manage` ends with nonsense exit codes although it did what was asked (Hurricos/realtek-poe, before #49). */
async function openwrt(line: string, ports: Ports, set: SetPort, name: Naming): Promise<Answer> {
  const [, method, json = ''] = /^ubus call poe (\w+)(?: '(.*)')?$/.exec(line.trim()) ?? [];
  if (method === 'info') {
    const shown = Object.fromEntries([...ports].map(([port, state]) => [name(port), { priority: 2, mode: 'PoE+', status: state === 'on' ? 'Delivering power' : 'Disabled', ...(state === 'on' ? { consumption: 3.1 } : {}) }]));
    return { exitCode: 0, stdout: `${JSON.stringify({ firmware: 'v17.1', budget: 70, ports: shown }, undefined, '\t')}\n`, stderr: '' };
  }
  if (method === 'manage') {
    const asked = JSON.parse(json) as { port?: string; enable?: boolean };
    const port = [...ports.keys()].find((each) => name(each) === asked.port);
    if (port === undefined || typeof asked.enable !== 'boolean') return { exitCode: 2, stdout: '', stderr: 'Command failed: Invalid argument\n' };
    await set(port, asked.enable ? 'on' : 'off');
    return { exitCode: 7, stdout: '', stderr: '' };
  }
  if (line.startsWith('ubus ')) return { exitCode: 4, stdout: '', stderr: 'Command failed: Not found\n' };
  return { exitCode: 127, stdout: '', stderr: `ash: ${line.split(' ')[0]}: not found\n` };
}

/** RouterOS, which tells every complaint on standard output and ends well all the same. */
async function routeros(line: string, ports: Ports, set: SetPort, name: Naming): Promise<Answer> {
  const said = (text: string): Answer => ({ exitCode: 0, stdout: text.replaceAll('\n', '\r\n'), stderr: '' });
  const [, verb, item, rest = ''] = /^\/interface ethernet poe (\w+) (\S+) (\S+)$/.exec(line.trim()) ?? [];
  const port = [...ports.keys()].find((each) => name(each) === item);
  if (verb === undefined) return said('bad command name (line 1 column 1)\n');
  if (port === undefined) return said('input does not match any value of interface\n');
  if (verb === 'set') {
    const state = { 'poe-out=auto-on': 'on', 'poe-out=off': 'off' }[rest] as 'on' | 'off' | undefined;
    if (state === undefined) return said('input does not match any value of poe-out\n');
    await set(port, state);
    return said('');
  }
  const on = ports.get(port) === 'on';
  return said(`                name: ${item}\n             poe-out: ${on ? 'auto-on' : 'off'}\n      poe-out-status: ${on ? 'powered-on' : 'disabled'}\n`);
}
