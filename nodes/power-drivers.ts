import type { PowerCommands, PowerSwitch } from './cluster.ts';
import { SHELL_DRIVERS } from './power-drivers-shell.ts';

/**
 * How one kind of PoE switch is spoken to over SSH. In commands and patterns `{port}` is the port's number, `{name}` what the switch calls
 * it (`portName` filled in) and `{index}` that name without the letters it begins with. Patterns are regular expressions (multi-line) on
 * what `show` prints. `off` must match only a port that gives no power.
 */
export type PowerDriver = {
  /** One command; with `shell` several lines, typed one after another. */
  readonly on: string;
  readonly off: string;
  readonly show: string;
  readonly isOn: string;
  readonly isOff: string;
  /** Its group is what is told to people where neither matches. */
  readonly status: string;
  /** What the switch calls its port, unless the inventory says otherwise. */
  readonly portName: string;
  /** True where the set commands' exit codes mean nothing, and only what is read back counts. */
  readonly exitCodesLie: boolean;
  /** There where commands are typed at a prompt, as on a terminal: such switches run no single command, or not all. */
  readonly shell?: ShellManner;
};

/**
 * A command line with a prompt. `prompt` matches the whole last line when the switch waits; `first` is typed at the beginning, and
 * `elevate` before it where the prompt ends with `>` (asked for a password, the switch's is given). What matches `refused` was refused:
 * nothing more is typed then, since the next line could mean something else where the first did nothing.
 */
export type ShellManner = { readonly prompt: string; readonly refused: string; readonly elevate?: string; readonly first: readonly string[] };

/** The switches firstlight can drive, by the name used in cluster.yaml. */
export const POWER_DRIVERS = {
  /**
   * Ubiquiti UniFi switches: swctrl. `swctrl poe set off 3`, without `id`, would cut every port.
   * Source of commands and table: ubiquiti-community projects and transcripts of a USW-Lite-16-PoE (firmware 6.2).
   */
  unifi: {
    on: 'swctrl poe set auto id {port}',
    off: 'swctrl poe set off id {port}',
    show: 'swctrl poe show id {port}',
    isOn: '^\\s*{port}\\s+(?!Off\\b)[A-Z]\\S*\\s',
    isOff: '^\\s*{port}\\s+Off\\b(?!.*\\sOn\\s)',
    status: '^\\s*{port}\\s+([A-Z].*)$',
    portName: '{port}',
    exitCodesLie: false,
  },
  /**
   * OpenWrt with the daemon realtek-poe (or another that offers the ubus object `poe`); ports are called lan1, lan2, … unless told.
   * Source: Hurricos/realtek-poe:src/main.c; `manage` returns nonsense exit codes before its pull request 49.
   */
  openwrt: {
    on: `ubus call poe manage '{"port":"{name}","enable":true}'`,
    off: `ubus call poe manage '{"port":"{name}","enable":false}'`,
    show: 'ubus call poe info',
    isOn: '"{name}":\\s*\\{[^}]*"status":\\s*"(?:Searching|Delivering power|Requesting power)"',
    isOff: '"{name}":\\s*\\{[^}]*"status":\\s*"Disabled"',
    status: '"{name}":\\s*\\{[^}]*"status":\\s*"([^"]*)"',
    portName: 'lan{port}',
    exitCodesLie: true,
  },
  /**
   * MikroTik RouterOS with PoE-out ports called ether1, ether2, … unless told.
   * Source: MikroTik's manual, "PoE-Out"; the word for a port that is off is from that manual and not yet seen on a device.
   */
  routeros: {
    on: '/interface ethernet poe set {name} poe-out=auto-on',
    off: '/interface ethernet poe set {name} poe-out=off',
    show: '/interface ethernet poe monitor {name} once',
    isOn: '^\\s*poe-out:\\s*(?:auto-on|forced-on)\\b',
    isOff: '^\\s*poe-out:\\s*off\\b[\\s\\S]*^\\s*poe-out-status:\\s*disabled\\b',
    status: '^\\s*(poe-out-status:.*)$',
    portName: 'ether{port}',
    exitCodesLie: true,
  },
  ...SHELL_DRIVERS,
} as const satisfies Record<string, PowerDriver>;

/** The name in cluster.yaml of a driver whose commands stand there too. */
export const CUSTOM_DRIVER = 'custom';

/** The driver of that name, or undefined; the custom one is made by `driverOf`. */
export function powerDriver(name: string): PowerDriver | undefined {
  return Object.hasOwn(POWER_DRIVERS, name) ? POWER_DRIVERS[name as keyof typeof POWER_DRIVERS] : undefined;
}

/** The driver of a declared switch, with its own commands and port names where it has them; undefined where there is none of that name. */
export function driverOf(power: Pick<PowerSwitch, 'driver' | 'portName' | 'commands'>): PowerDriver | undefined {
  const { driver: name, portName, commands } = power;
  const driver = name === CUSTOM_DRIVER && commands ? customDriver(commands) : powerDriver(name);
  return driver && portName !== undefined ? { ...driver, portName } : driver;
}

/** A driver of the owner's own commands. Its exit codes are not trusted: what is read back counts. */
export function customDriver(commands: PowerCommands): PowerDriver {
  const { on, off, show, isOn, isOff, status, prompt, refused } = commands;
  return {
    on, off, show, isOn, isOff, status: status ?? '^\\s*(\\S.*)$', portName: '{port}', exitCodesLie: true,
    ...(prompt === undefined ? {} : { shell: { prompt, refused: refused ?? '^\\s*(?:%|error|invalid|unknown|incorrect)', first: [] } }),
  };
}

/** The names that cluster.yaml may use. */
export function powerDriverNames(): readonly string[] {
  return [...Object.keys(POWER_DRIVERS), CUSTOM_DRIVER];
}

/** A command with a port in it. */
export function filledCommand(driver: Pick<PowerDriver, 'portName'>, template: string, port: number): string {
  return filled(driver, template, port, (text) => text);
}

/** A pattern (multi-line) with a port in it, whose name is taken literally. Throws SyntaxError where it is none. */
export function filledPattern(driver: Pick<PowerDriver, 'portName'>, template: string, port: number): RegExp {
  return new RegExp(filled(driver, template, port, (text) => text.replace(/[.*+?^${}()|[\]\\/-]/g, '\\$&')), 'm');
}

function filled({ portName }: Pick<PowerDriver, 'portName'>, template: string, port: number, as: (text: string) => string): string {
  const name = portName.replaceAll('{port}', String(port));
  const values = { port: String(port), name, index: name.replace(/^[A-Za-z]+/, '') };
  return template.replace(/\{(port|name|index)\}/g, (_whole, key: keyof typeof values) => as(values[key]));
}
