import { waitFor } from '../lib/conditions.ts';
import { problem } from '../lib/errors.ts';
import type { Host } from '../lib/host.ts';
import { connectSsh, type Ssh } from '../lib/ssh.ts';
import type { PowerSwitch } from './cluster.ts';
import { powerDriver, powerDriverNames, type PowerDriver } from './power-drivers.ts';

/** `off` means that the port gives no power; `on` that it gives power to a board that asks for it. */
export type Power = 'on' | 'off';

/**
 * What the switch says of one PoE port. Throws what connectSsh throws, `E_POWER_ANSWER` where the switch's answer is not
 * understood, `E_POWER_DRIVER` for an unknown driver.
 */
export async function observePower(host: Host, power: PowerSwitch, password: string, port: number): Promise<Power> {
  return withSwitch(host, power, password, async (ssh, driver) => {
    let look = await show(ssh, driver, port);
    // Ports that are just changing say neither for a moment.
    for (let tries = 1; look.state === undefined && look.known && tries < 10; tries++) {
      await host.clock.sleep(500, host.signal);
      look = await show(ssh, driver, port);
    }
    if (look.state !== undefined) return look.state;
    throw problem('E_POWER_ANSWER', `the switch ${power.address} answered nothing understandable about port ${port}: ${look.seen}`,
      `Check the port's number and the driver (${power.driver}) in cluster.yaml.`);
  });
}

/**
 * Brings one PoE port to `want` and reads it back until the switch says so (15 s). Tells whether anything had to change.
 * Throws what connectSsh throws, `E_POWER_COMMAND` where the switch refuses, `E_DEADLINE` where the port never comes there.
 */
export async function setPower(host: Host, power: PowerSwitch, password: string, port: number, want: Power): Promise<'changed' | 'already'> {
  return withSwitch(host, power, password, async (ssh, driver) => {
    if ((await show(ssh, driver, port)).state === want) return 'already';
    const command = filled(want === 'on' ? driver.on : driver.off, port);
    const answer = await ssh.exec(command, { timeoutMs: 10_000 });
    if (answer.exitCode !== 0 && (!driver.exitCodesLie || answer.exitCode === 127)) {
      throw problem('E_POWER_COMMAND', `the switch ${power.address} answered "${command}" with exit code ${answer.exitCode}: ${firstLine(answer.stderr || answer.stdout)}`,
        `Check the port's number and the driver (${power.driver}) in cluster.yaml, and that ${power.user} may switch ports.`);
    }
    await waitFor({
      name: `PoE port ${port} of the switch ${power.address} is ${want}`,
      look: async () => {
        const { state, seen } = await show(ssh, driver, port);
        return state === want ? { met: true, value: undefined } : { met: false, seen: state ?? seen };
      },
      deadlineMs: 15_000,
      hint: `Look at the port with "${filled(driver.show, port)}" on the switch.`,
    }, host);
    return 'changed';
  });
}

async function withSwitch<T>(host: Host, power: PowerSwitch, password: string, work: (ssh: Ssh, driver: PowerDriver) => Promise<T>): Promise<T> {
  const driver = powerDriver(power.driver);
  if (driver === undefined) throw problem('E_POWER_DRIVER', `no switch driver is called "${power.driver}"`, `There are: ${powerDriverNames().join(', ')}.`);
  host.mask.add(password);
  const ssh = await connectSsh({ host: power.address, port: power.sshPort, user: power.user, password, hostKey: power.hostKey, signal: host.signal });
  try {
    return await work(ssh, driver);
  } finally {
    ssh.close();
  }
}

type Shown = { readonly state: Power | undefined; readonly known: boolean; readonly seen: string };

async function show(ssh: Ssh, driver: PowerDriver, port: number): Promise<Shown> {
  const { stdout, stderr } = await ssh.exec(filled(driver.show, port), { timeoutMs: 10_000 });
  const status = new RegExp(filled(driver.status, port), 'm').exec(stdout.replaceAll('\r', ''))?.[1];
  return { state: readPower(driver, port, stdout), known: status !== undefined, seen: firstLine(status ?? '') || firstLine(stderr) || firstLine(stdout) || 'no answer' };
}

/** What a driver's `show` answer says of a port; undefined where it says neither. */
export function readPower(driver: PowerDriver, port: number, answer: string): Power | undefined {
  const text = answer.replaceAll('\r', '');
  if (new RegExp(filled(driver.isOff, port), 'm').test(text)) return 'off';
  return new RegExp(filled(driver.isOn, port), 'm').test(text) ? 'on' : undefined;
}

function filled(template: string, port: number): string {
  return template.replaceAll('{port}', String(port));
}

function firstLine(text: string): string {
  return text.trim().split('\n')[0]?.slice(0, 200) ?? '';
}
