import { problem } from '../lib/errors.ts';
import type { PowerCommands } from '../nodes/cluster.ts';
import type { Ports, SetPort } from './switch-commands.ts';
import type { Dialect, Naming } from './switch-dialects.ts';

/** What a line can be the beginning of, or the going on. */
type Way = { readonly does: 'on' | 'off' | 'show'; readonly port: number; readonly lines: readonly string[] };

const INVALID = "% Invalid input detected at '^' marker.\n";
const PROMPTS = ['switch#', 'switch# ', 'switch>', '(switch) #', 'switch$ ', '# ', '> ', '$ '];

/**
 * The owner's own switch: it takes the commands that the inventory says it takes, whole and in their order, refuses all else, and answers
 * what it answered when its owner looked. Throws `E_LAB_SWITCH` where that is not told.
 */
export function customDialect(commands: PowerCommands, name: Naming): Dialect {
  const { samples, prompt } = commands;
  if (!samples) {
    throw problem('E_LAB_SWITCH', 'what this switch prints is not known, so it can\'t be played', 'Add switch.commands.samples to cluster.yaml: what show printed of a port that was on, and that was off.');
  }
  const ways = (ports: Ports): Way[] => [...ports.keys()].flatMap((port) => (['on', 'off', 'show'] as const).map((does) => ({
    does, port, lines: filled(commands[does], port, name).split('\n').map((line) => line.trim()).filter(Boolean),
  })));
  const shown = (port: number, state: 'on' | 'off'): string => {
    const text = samples[state].replaceAll(new RegExp(`(?<![\\w/.])${escaped(name(samples.port))}(?![\\w/.])`, 'g'), name(port));
    return text.endsWith('\n') ? text : `${text}\n`;
  };
  const all = commands.show === filled(commands.show, 1, name);
  const done = async ({ does, port }: Way, ports: Ports, set: SetPort): Promise<string> => {
    if (does === 'show') return (all ? [...ports.keys()] : [port]).map((each) => shown(each, ports.get(each)!)).join('');
    await set(port, does);
    return '';
  };
  if (prompt === undefined) {
    return {
      answer: async (line, ports, set) => {
        const way = ways(ports).find(({ lines }) => lines.join('\n') === line.split('\n').map((one) => one.trim()).filter(Boolean).join('\n'));
        return way ? { exitCode: 0, stdout: await done(way, ports, set), stderr: '' } : { exitCode: 127, stdout: '', stderr: `${line.split(' ')[0]}: not found\n` };
      },
    };
  }
  const shows = PROMPTS.find((each) => new RegExp(`^\\s*${prompt}\\s*$`).test(each));
  if (shows === undefined) throw problem('E_LAB_SWITCH', `no prompt is at hand that ${prompt} would match`, `Rehearse with a switch.commands.prompt that also takes one of: ${PROMPTS.map((each) => each.trim()).join('  ')}`);
  return {
    terminal: (ports, set) => {
      let going: { readonly way: Way; readonly at: number }[] = [];
      return {
        greeting: '\n', prompt: () => shows, hides: () => false,
        async type(line) {
          const on = going.filter(({ way, at }) => way.lines[at] === line).map(({ way, at }) => ({ way, at: at + 1 }));
          going = on.length > 0 ? on : ways(ports).filter(({ lines }) => lines[0] === line).map((way) => ({ way, at: 1 }));
          if (going.length === 0) return INVALID;
          const whole = going.find(({ way, at }) => at === way.lines.length);
          if (whole) going = [];
          return whole ? await done(whole.way, ports, set) : '';
        },
      };
    },
  };
}

function filled(template: string, port: number, name: Naming): string {
  const values = { port: String(port), name: name(port), index: name(port).replace(/^[A-Za-z]+/, '') };
  return template.replace(/\{(port|name|index)\}/g, (_whole, key: keyof typeof values) => values[key]);
}

function escaped(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\/-]/g, '\\$&');
}
