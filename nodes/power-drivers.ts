/**
 * How one kind of PoE switch is spoken to over SSH. In commands and patterns `{port}` is the port's number;
 * patterns are regular expressions (multi-line) on what `show` prints. `off` must match only a port that gives no power.
 */
export type PowerDriver = {
  readonly on: string;
  readonly off: string;
  readonly show: string;
  readonly isOn: string;
  readonly isOff: string;
  /** Its group is what is told to people where neither matches. */
  readonly status: string;
  /** True where the set commands' exit codes mean nothing, and only what is read back counts. */
  readonly exitCodesLie: boolean;
};

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
    exitCodesLie: false,
  },
  /**
   * OpenWrt with the daemon realtek-poe (or another that offers the ubus object `poe`); ports are called lan1, lan2, …
   * Source: Hurricos/realtek-poe:src/main.c; `manage` returns nonsense exit codes before its pull request 49.
   */
  openwrt: {
    on: `ubus call poe manage '{"port":"lan{port}","enable":true}'`,
    off: `ubus call poe manage '{"port":"lan{port}","enable":false}'`,
    show: 'ubus call poe info',
    isOn: '"lan{port}":\\s*\\{[^}]*"status":\\s*"(?:Searching|Delivering power|Requesting power)"',
    isOff: '"lan{port}":\\s*\\{[^}]*"status":\\s*"Disabled"',
    status: '"lan{port}":\\s*\\{[^}]*"status":\\s*"([^"]*)"',
    exitCodesLie: true,
  },
  /**
   * MikroTik RouterOS with PoE-out ports called ether1, ether2, …
   * Source: MikroTik's manual, "PoE-Out"; the word for a port that is off is from that manual and not yet seen on a device.
   */
  routeros: {
    on: '/interface ethernet poe set ether{port} poe-out=auto-on',
    off: '/interface ethernet poe set ether{port} poe-out=off',
    show: '/interface ethernet poe monitor ether{port} once',
    isOn: '^\\s*poe-out:\\s*(?:auto-on|forced-on)\\b',
    isOff: '^\\s*poe-out:\\s*off\\b[\\s\\S]*^\\s*poe-out-status:\\s*disabled\\b',
    status: '^\\s*(poe-out-status:.*)$',
    exitCodesLie: true,
  },
} as const satisfies Record<string, PowerDriver>;

/** The driver of that name, or undefined. */
export function powerDriver(name: string): PowerDriver | undefined {
  return Object.hasOwn(POWER_DRIVERS, name) ? POWER_DRIVERS[name as keyof typeof POWER_DRIVERS] : undefined;
}

/** The names that cluster.yaml may use. */
export function powerDriverNames(): readonly string[] {
  return Object.keys(POWER_DRIVERS);
}
