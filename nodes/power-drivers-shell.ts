// Switches whose command line is a terminal's: a prompt, modes, answers without exit codes. None of these has been tried on a device
// yet: commands and words are from the makers' manuals, so an answer that is not understood stops a run (E_POWER_ANSWER) rather than pass.

/** Drivers that type their commands at a prompt, by the name used in cluster.yaml. */
export const SHELL_DRIVERS = {
  /**
   * Netgear's managed switches (M4100, M4250, M4300, M5300, …). `no poe` outside an interface would cut every port: what is refused
   * stops the typing. Ports are 1/0/1, 1/0/2, … unless told (`portName: 0/{port}` on switches that can't be stacked).
   * Source: Netgear's "ProSAFE Managed Switches, CLI Command Reference", chapter "Power over Ethernet Commands" (poe, show poe port info).
   */
  netgear: {
    on: 'configure\ninterface {name}\npoe\nexit\nexit',
    off: 'configure\ninterface {name}\nno poe\nexit\nexit',
    show: 'show poe port info {name}',
    isOn: '^\\s*{name}\\s.*\\b(?:Searching|Delivering Power|Requesting Power)\\b',
    isOff: '^\\s*{name}\\s.*\\bDisabled\\b',
    status: '^\\s*{name}\\s+(\\S.*)$',
    portName: '1/0/{port}',
    exitCodesLie: true,
    shell: { prompt: '\\([^()]*\\) ?(?:\\([^()]*\\) ?)?[>#]', refused: '^\\s*(?:%|error)|incorrect input|command not found', elevate: 'enable', first: [] },
  },
  /**
   * Cisco Catalyst with IOS or IOS XE. Ports are GigabitEthernet1/0/1, … unless told (`portName: GigabitEthernet0/{port}`). The change is
   * not saved: a switch that restarts gives power again, which is seen before anything is taken from the node.
   * Source: Cisco's command references (Catalyst 3560, 3650): power inline, show power inline.
   */
  cisco: {
    on: 'configure terminal\ninterface {name}\npower inline auto\nend',
    off: 'configure terminal\ninterface {name}\npower inline never\nend',
    show: 'show power inline {name}',
    isOn: '^[A-Za-z]+{index}\\s+(?:auto|static)\\s',
    isOff: '^[A-Za-z]+{index}\\s+(?:off|never)\\s+off\\b',
    status: '^[A-Za-z]+{index}\\s+(\\S.*)$',
    portName: 'GigabitEthernet1/0/{port}',
    exitCodesLie: true,
    shell: { prompt: '[\\w.-]+(?:\\([\\w-]+\\))?[>#]', refused: '^%\\s', elevate: 'enable', first: ['terminal length 0'] },
  },
} as const;
