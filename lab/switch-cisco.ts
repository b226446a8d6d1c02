import type { Ports, SetPort } from './switch-commands.ts';
import type { Naming } from './switch-dialects.ts';
import type { Cli } from './switch-terminal.ts';

const INVALID = "                    ^\n% Invalid input detected at '^' marker.\n\n";

/** A Catalyst's command line (Cisco's Catalyst 3650 command reference): `power inline` inside an interface only; tables call GigabitEthernet Gi. */
export function ciscoTerminal(ports: Ports, set: SetPort, password: string, name: Naming): Cli {
  let mode: 'user' | 'password' | 'privileged' | 'config' | number = 'user';
  const short = (port: number): string => name(port).replace(/^([A-Za-z]{2})[A-Za-z]*/, '$1');
  const portCalled = (text: string | undefined): number | undefined => [...ports.keys()].find((port) => name(port) === text || short(port) === text);
  const table = (port: number): string => `Interface Admin  Oper       Power   Device              Class Max
                            (Watts)
--------- ------ ---------- ------- ------------------- ----- ----
${short(port).padEnd(9)} ${ports.get(port) === 'on' ? 'auto   on         6.3     Ieee PD             4     30.0' : 'off    off        0.0     n/a                 n/a   30.0'}
`;
  return {
    greeting: '\n\n',
    hides: () => mode === 'password',
    prompt: () => (mode === 'password' ? 'Password: ' : `Switch${typeof mode === 'number' ? '(config-if)' : mode === 'config' ? '(config)' : ''}${mode === 'user' ? '>' : '#'}`),
    async type(line) {
      if (mode === 'password') {
        mode = line === password ? 'privileged' : 'user';
        return mode === 'user' ? '% Access denied\n\n' : '';
      }
      if (line === '' || (line === 'terminal length 0' && mode !== 'config' && typeof mode !== 'number')) return '';
      if (mode === 'user' && line === 'enable') return (mode = 'password', '');
      if (mode === 'privileged' && line === 'configure terminal') return (mode = 'config', 'Enter configuration commands, one per line.  End with CNTL/Z.\n');
      if ((mode === 'config' || typeof mode === 'number') && line === 'end') return (mode = 'privileged', '');
      const shown = mode === 'privileged' ? portCalled(/^show power inline (\S+)$/.exec(line)?.[1]) : undefined;
      if (shown !== undefined) return table(shown);
      const entered = mode === 'config' || typeof mode === 'number' ? portCalled(/^interface (\S+)$/.exec(line)?.[1]) : undefined;
      if (entered !== undefined) return (mode = entered, '');
      const state = typeof mode === 'number' ? { 'power inline auto': 'on', 'power inline never': 'off' }[line] as 'on' | 'off' | undefined : undefined;
      if (typeof mode !== 'number' || state === undefined) return INVALID;
      await set(mode, state);
      return '';
    },
  };
}
