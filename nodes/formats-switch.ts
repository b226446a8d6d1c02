import type { Complaint } from './addresses.ts';
import { matches } from './formats.ts';

const PORT = /\{(?:port|name|index)\}/g;

/** What a switch calls a port: goes into commands, so nothing that a shell or a command line would take for something else. */
export const portName = matches(/^[A-Za-z0-9/._:-]*\{port\}[A-Za-z0-9/._:-]*$/, 'E_INVENTORY_PORT_NAME', 'the name of a port with {port} in it', 'Write {port} where the number stands: GigabitEthernet0/{port}.');

/** What is typed: one line or several. */
export const typedLines = matches(/^\s*\S[\s\S]*$/, 'E_INVENTORY_EMPTY', 'a command', 'Write the command, or take the key out.');

/** A regular expression, with placeholders for a port, that does not hold for everything. */
export function answerPattern(text: string): Complaint | undefined {
  return linePattern(text) ?? (new RegExp(text.replace(PORT, '1'), 'm').test('')
    ? { code: 'E_INVENTORY_PATTERN', message: `"${text}" matches an empty answer, so it says nothing`, hint: 'Write what stands in the switch\'s answer in that state only.' } : undefined);
}

/** A regular expression as JavaScript reads it. */
export function linePattern(text: string): Complaint | undefined {
  const reason = notReadable(text.replace(PORT, '1'));
  return reason === undefined ? undefined : { code: 'E_INVENTORY_PATTERN', message: `"${text}" is not a regular expression: ${reason}`, hint: 'Write a backslash before signs that mean themselves, and the whole in single quotes.' };
}

function notReadable(pattern: string): string | undefined {
  try {
    new RegExp(pattern, 'm');
    return undefined;
  } catch (error) {
    return (error as Error).message.split(': ').at(-1) ?? 'it can\'t be read';
  }
}
