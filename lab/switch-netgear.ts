import type { Ports, SetPort } from './switch-commands.ts';
import type { Naming } from './switch-dialects.ts';
import type { Cli } from './switch-terminal.ts';

const INVALID = "\n% Invalid input detected at '^' marker.\n";

/**
 * A Netgear managed switch's command line (ProSAFE CLI Command Reference): log-in lands in User EXEC, `enable` may ask for a password, and
 * `poe` means one port inside an interface but every port outside of it.
 */
export function netgearTerminal(ports: Ports, set: SetPort, password: string, name: Naming): Cli {
  let mode: 'user' | 'password' | 'privileged' | 'config' | number = 'user';
  const portCalled = (text: string | undefined): number | undefined => [...ports.keys()].find((port) => name(port) === text);
  const row = (port: number): string => (ports.get(port) === 'on'
    ? `${name(port).padEnd(6)} Yes     32000 4       3400     64       53       41     Delivering Power   No Error\n`
    : `${name(port).padEnd(6)} Yes     32000 Unknown 0        0        0        39     Disabled           No Error\n`);
  const table = (shown: readonly number[]): string => `
       High    Max   Class   Output   Output   Output   Temp.  Status             Fault
Intf   Power   Power         Power    Current  Voltage  (C)                       Status
               (mW)          (mW)     (mA)     (V)
------ ------- ----- ------- -------- -------- -------- ------ ------------------ --------------
${shown.map(row).join('')}
`;
  return {
    greeting: '\n', screen: 24,
    hides: () => mode === 'password',
    prompt: () => {
      if (mode === 'password') return 'Password:';
      const place = typeof mode === 'number' ? `(Interface ${name(mode)})` : mode === 'config' ? '(Config)' : '';
      return `(M4300-28G-PoE+) ${place}${mode === 'user' ? '>' : '#'}`;
    },
    async type(line) {
      if (mode === 'password') {
        mode = line === password ? 'privileged' : 'user';
        return mode === 'user' ? 'Incorrect Password!\n' : '\n';
      }
      if (line === '') return '';
      if (line === 'exit') {
        mode = typeof mode === 'number' ? 'config' : mode === 'config' ? 'privileged' : 'user';
        return '\n';
      }
      if (mode === 'user' && line === 'enable') return (mode = 'password', '');
      if (mode === 'privileged' && line === 'configure') return (mode = 'config', '\n');
      const shown = mode === 'privileged' ? /^show poe port info (\S+)$/.exec(line)?.[1] : undefined;
      if (shown === 'all') return table([...ports.keys()]);
      const port = portCalled(shown);
      if (port !== undefined) return table([port]);
      const entered = mode === 'config' || typeof mode === 'number' ? portCalled(/^interface (\S+)$/.exec(line)?.[1]) : undefined;
      if (entered !== undefined) return (mode = entered, '\n');
      if ((mode === 'config' || typeof mode === 'number') && (line === 'poe' || line === 'no poe')) {
        for (const each of typeof mode === 'number' ? [mode] : ports.keys()) await set(each, line === 'poe' ? 'on' : 'off');
        return '\n';
      }
      return INVALID;
    },
  };
}
