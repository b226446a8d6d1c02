import { waitFor } from '../lib/conditions.ts';
import { problem } from '../lib/errors.ts';
import type { Host } from '../lib/host.ts';
import { openTerminal } from '../lib/ssh-terminal.ts';
import { connectSsh, type Ssh } from '../lib/ssh.ts';
import type { PowerSwitch } from './cluster.ts';
import { driverOf, filledCommand, filledPattern, powerDriverNames, type PowerDriver } from './power-drivers.ts';

/** `off` means that the port gives no power; `on` that it gives power to a board that asks for it. */
export type Power = 'on' | 'off';

/**
 * What the switch says of one PoE port. Throws what connectSsh throws, `E_POWER_ANSWER` where the switch's answer is not
 * understood, `E_POWER_DRIVER` for an unknown driver.
 */
export async function observePower(host: Host, power: PowerSwitch, password: string, port: number): Promise<Power> {
  return withSwitch(host, power, password, async (line, driver) => {
    let look = await show(line, driver, port);
    // Ports that are just changing say neither for a moment.
    for (let tries = 1; look.state === undefined && look.known && tries < 10; tries++) {
      await host.clock.sleep(500, host.signal);
      look = await show(line, driver, port);
    }
    if (look.state !== undefined) return look.state;
    throw problem('E_POWER_ANSWER', `the switch ${power.address} answered nothing understandable about port ${port}: ${look.seen}`,
      `Check the port's number and name and the driver (${power.driver}) in cluster.yaml.`);
  });
}

/**
 * Brings one PoE port to `want` and reads it back until the switch says so (15 s). Tells whether anything had to change.
 * Throws what connectSsh throws, `E_POWER_COMMAND` where the switch refuses, `E_DEADLINE` where the port never comes there.
 */
export async function setPower(host: Host, power: PowerSwitch, password: string, port: number, want: Power): Promise<'changed' | 'already'> {
  return withSwitch(host, power, password, async (line, driver) => {
    if ((await show(line, driver, port)).state === want) return 'already';
    const answer = await line(filledCommand(driver, want === 'on' ? driver.on : driver.off, port));
    if (answer.refused !== undefined) {
      throw problem('E_POWER_COMMAND', `the switch ${power.address} ${answer.refused.did}: ${answer.refused.why}`,
        `Check the port's number and name and the driver (${power.driver}) in cluster.yaml, and that ${power.user} may switch ports.`);
    }
    await waitFor({
      name: `PoE port ${port} of the switch ${power.address} is ${want}`,
      look: async () => {
        const { state, seen } = await show(line, driver, port);
        return state === want ? { met: true, value: undefined } : { met: false, seen: state ?? seen };
      },
      deadlineMs: 15_000,
      hint: `Look at the port with "${filledCommand(driver, driver.show, port)}" on the switch.`,
    }, host);
    return 'changed';
  });
}

/** What a command printed; where the switch would not obey, what it did instead and why. */
type Answer = { readonly text: string; readonly refused?: { readonly did: string; readonly why: string } };
type Line = (command: string) => Promise<Answer>;

async function withSwitch<T>(host: Host, power: PowerSwitch, password: string, work: (line: Line, driver: PowerDriver) => Promise<T>): Promise<T> {
  const driver = driverOf(power);
  if (driver === undefined) throw problem('E_POWER_DRIVER', `no switch driver is called "${power.driver}"`, `There are: ${powerDriverNames().join(', ')}.`);
  host.mask.add(password);
  const ssh = await connectSsh({ host: power.address, port: power.sshPort, user: power.user, password, hostKey: power.hostKey, signal: host.signal });
  try {
    return await work(driver.shell ? await typed(ssh, driver, password, host) : executed(ssh, driver), driver);
  } finally {
    ssh.close();
  }
}

/** Commands that the switch runs one by one. */
function executed(ssh: Ssh, driver: PowerDriver): Line {
  return async (command) => {
    const { exitCode, stdout, stderr } = await ssh.exec(command, { timeoutMs: 10_000 });
    const lies = driver.exitCodesLie && exitCode !== 127;
    return { text: stdout.trim() === '' ? stderr : stdout, ...(exitCode === 0 || lies ? {} : { refused: { did: `answered "${command}" with exit code ${exitCode}`, why: firstLine(stderr || stdout) } }) };
  };
}

/** Commands that are typed at the switch's prompt, line by line, until one is refused. */
async function typed(ssh: Ssh, driver: PowerDriver, password: string, host: Host): Promise<Line> {
  const { prompt, refused, elevate, first } = driver.shell!;
  const terminal = await openTerminal(ssh, { prompt: new RegExp(`^\\s*${prompt}\\s*$`), password, lineMs: 10_000, signal: host.signal });
  const says = new RegExp(refused, 'im');
  const line: Line = async (command) => {
    let text = '';
    for (const each of command.split('\n').map((one) => one.trim()).filter(Boolean)) {
      const answer = await terminal.type(each);
      text += answer;
      const no = answer.split('\n').find((one) => says.test(one));
      if (no !== undefined) return { text, refused: { did: `refused "${each}"`, why: firstLine(no) } };
    }
    return { text };
  };
  if (elevate !== undefined && terminal.prompt().trim().endsWith('>')) {
    await terminal.type(elevate);
    if (terminal.prompt().trim().endsWith('>')) {
      throw problem('E_POWER_COMMAND', `the switch did not let ${terminal.name} past "${elevate}"`, 'Give that user the highest privilege, or make the password for it (enable) the same as the user\'s.');
    }
  }
  for (const each of first) await terminal.type(each);
  return line;
}

type Shown = { readonly state: Power | undefined; readonly known: boolean; readonly seen: string };

async function show(line: Line, driver: PowerDriver, port: number): Promise<Shown> {
  const { text, refused } = await line(filledCommand(driver, driver.show, port));
  const status = filledPattern(driver, driver.status, port).exec(text.replaceAll('\r', ''))?.[1];
  return { state: readPower(driver, port, text), known: status !== undefined && refused === undefined, seen: firstLine(status ?? '') || refused?.why || firstLine(text) || 'no answer' };
}

/** What a driver's `show` answer says of a port; undefined where it says neither. */
export function readPower(driver: PowerDriver, port: number, answer: string): Power | undefined {
  const text = answer.replaceAll('\r', '');
  if (filledPattern(driver, driver.isOff, port).test(text)) return 'off';
  return filledPattern(driver, driver.isOn, port).test(text) ? 'on' : undefined;
}

function firstLine(text: string): string {
  return text.trim().split('\n')[0]?.slice(0, 200) ?? '';
}
