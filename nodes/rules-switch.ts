import type { PowerCommands } from './cluster.ts';
import type { Draft, Fault } from './fault.ts';
import { CUSTOM_DRIVER, customDriver, filledPattern, powerDriver } from './power-drivers.ts';

const SWITCH = ['switch'];

/** Commands belong to the driver `custom`, and that one has no others. */
export function* commandsFitDriver(draft: Draft): Iterable<Fault> {
  const { driver, commands } = draft.switch ?? {};
  if (driver === undefined) return;
  const has = Object.hasOwn(draft.switch ?? {}, 'commands');
  if (driver === CUSTOM_DRIVER && !has) {
    yield { code: 'E_INVENTORY_COMMANDS', path: [...SWITCH, 'driver'], message: 'switch.driver: custom has no commands of its own', hint: 'Add switch.commands with on, off, show, isOn and isOff.' };
  } else if (driver !== CUSTOM_DRIVER && commands !== undefined) {
    yield { code: 'E_INVENTORY_COMMANDS', path: [...SWITCH, 'commands'], at: 'key', message: `switch.commands: the driver ${driver} has its own, so these would not be used`, hint: 'Take commands out, or write driver: custom.' };
  }
}

/** A command without its port would mean every port, or one that nobody chose. */
export function* commandsNamePort(draft: Draft): Iterable<Fault> {
  const commands = draft.switch?.commands;
  if (commands === undefined) return;
  const names = (text: string): boolean => /\{(?:port|name|index)\}/.test(text);
  for (const key of ['on', 'off'] as const) {
    const command = commands[key];
    if (command === undefined || names(command)) continue;
    yield { code: 'E_INVENTORY_COMMAND_PORT', path: [...SWITCH, 'commands', key], message: `switch.commands.${key}: it names no port, so it would not be one port that is switched`, hint: 'Write {port} (or {name}) where the port stands.' };
  }
  const { show, isOn, isOff } = commands;
  if (show === undefined || isOn === undefined || isOff === undefined || names(show) || (names(isOn) && names(isOff))) return;
  yield { code: 'E_INVENTORY_COMMAND_PORT', path: [...SWITCH, 'commands', 'show'], message: 'switch.commands.show: neither it nor isOn and isOff name the port, so any port\'s answer would do', hint: 'Write {port} (or {name}) into show, or into both patterns.' };
}

/** A name for ports that no command uses would mislead. */
export function* portNameUsed(draft: Draft): Iterable<Fault> {
  const { driver, portName, commands } = draft.switch ?? {};
  if (driver === undefined || portName === undefined) return;
  const [on, off] = driver === CUSTOM_DRIVER ? [commands?.on, commands?.off] : [powerDriver(driver)?.on, powerDriver(driver)?.off];
  if (on === undefined || off === undefined || /\{(?:name|index)\}/.test(on + off)) return;
  yield { code: 'E_INVENTORY_PORT_NAME', path: [...SWITCH, 'portName'], message: `switch.portName: the commands of ${driver === CUSTOM_DRIVER ? 'this switch' : driver} go by the port's number alone`, hint: driver === CUSTOM_DRIVER ? 'Write {name} into the commands, or take portName out.' : 'Take portName out.' };
}

/** The patterns, tried on what the switch really printed. */
export function* samplesRead(draft: Draft): Iterable<Fault> {
  const { commands, portName = '{port}' } = draft.switch ?? {};
  const { port, on, off } = commands?.samples ?? {};
  if (commands?.isOn === undefined || commands.isOff === undefined || port === undefined || on === undefined || off === undefined) return;
  const driver = { ...customDriver(commands as PowerCommands), portName };
  const [isOn, isOff] = [filledPattern(driver, driver.isOn, port), filledPattern(driver, driver.isOff, port)];
  const wrong = (['on', 'off'] as const).filter((state) => {
    const text = (state === 'on' ? on : off).replaceAll('\r', '');
    return isOn.test(text) !== (state === 'on') || isOff.test(text) !== (state === 'off');
  });
  for (const state of wrong) {
    yield { code: 'E_INVENTORY_SAMPLE', path: [...SWITCH, 'commands', 'samples', state], message: `switch.commands.samples.${state}: by isOn and isOff this answer is not that of a port that is ${state}`, hint: 'Correct the patterns: each must match the answer of its own state, and not the other.' };
  }
}
