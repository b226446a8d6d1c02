/** What a command answered. */
export type Answer = { readonly exitCode: number; readonly stdout: string; readonly stderr: string };

/** The ports of a switch by number, and how one is switched. */
export type Ports = ReadonlyMap<number, 'on' | 'off'>;
export type SetPort = (port: number, state: 'on' | 'off') => Promise<void>;

const USAGE = 'Usage: swctrl poe {show|set {auto|off}|restart} [id <port list>]\n';

/**
 * Answers one command line as a UniFi switch's shell does. As on the real one, `swctrl poe set off 6` (without `id`) is taken
 * for all ports, and an unknown program ends with 127.
 */
export async function answerCommand(line: string, ports: Ports, set: SetPort): Promise<Answer> {
  const [program = '', area, verb, ...rest] = line.trim().split(/\s+/);
  if (program !== 'swctrl') return { exitCode: 127, stdout: '', stderr: `-sh: ${program}: not found\n` };
  if (area !== 'poe') return { exitCode: 1, stdout: USAGE, stderr: '' };
  const mode = verb === 'set' ? rest.shift() : undefined;
  const chosen = rest[0] === 'id' ? portList(rest[1] ?? '') : [...ports.keys()];
  if (chosen === undefined || chosen.some((port) => !ports.has(port))) return { exitCode: 1, stdout: 'Invalid port id\n', stderr: '' };
  if (verb === 'show') return { exitCode: 0, stdout: table(chosen, ports), stderr: '' };
  if (verb === 'set' && (mode === 'auto' || mode === 'off')) {
    for (const port of chosen) await set(port, mode === 'auto' ? 'on' : 'off');
    return { exitCode: 0, stdout: '', stderr: '' };
  }
  if (verb === 'restart') {
    for (const state of ['off', 'on'] as const) {
      for (const port of chosen) await set(port, state);
    }
    return { exitCode: 0, stdout: '', stderr: '' };
  }
  return { exitCode: 1, stdout: USAGE, stderr: '' };
}

function portList(text: string): number[] | undefined {
  const ports: number[] = [];
  for (const part of text.split(',')) {
    const [, first, last] = /^(\d{1,3})(?:-(\d{1,3}))?$/.exec(part) ?? [];
    if (first === undefined) return undefined;
    for (let port = Number(first); port <= Number(last ?? first); port++) ports.push(port);
  }
  return ports;
}

function table(chosen: readonly number[], ports: ReadonlyMap<number, 'on' | 'off'>): string {
  const rows = chosen.map((port) => (ports.get(port) === 'on'
    ? `${String(port).padStart(4)}    Auto        Dot3at     32000  Class 4      On     Good      3.40       53.11        64.00`
    : `${String(port).padStart(4)}     Off        Dot3at     32000  Unknown     Off      Bad      0.00        0.00         0.00`));
  return `Total Power Limit(mW): 45000

Port  OpMode      HpMode    PwrLimit   Class   PoEPwr  PwrGood  Power(W)  Voltage(V)  Current(mA)
                              (mW)
----  ------  ------------  --------  -------  ------  -------  --------  ----------  -----------
${rows.join('\n')}
`;
}
