import * as z from 'zod';
import { answerPattern, linePattern, portName, typedLines } from './formats-switch.ts';
import * as format from './formats.ts';
import { address, filled, port, text } from './schema-parts.ts';

const LINES = 'one command, or several lines where there is a prompt';

const commands = z.strictObject({
  on: text(`Gives power to the port: ${LINES}. {port} stands for the port's number, {name} for what portName makes of it.`, typedLines, ['poe enable port {port}']),
  off: text(`Takes the port's power: ${LINES}.`, typedLines, ['poe disable port {port}']),
  show: text('Shows what the port does.', typedLines, ['show poe port {port}']),
  isOn: text('What is shown of a port that gives power to a board that asks for it: a regular expression over several lines.', answerPattern, ['^{port} .*(delivering|searching)']),
  isOff: text('What is shown of a port that gives no power: a regular expression over several lines.', answerPattern, ['^{port} .*disabled']),
  status: text('Its group is what is told of the port where neither is so.', answerPattern, ['^{port} +(.*)$']).optional(),
  prompt: text('The prompt, for a switch whose commands are typed on a terminal: a regular expression for the whole line. Without it each command is run by itself.', linePattern, ['[\\w-]+(\\(\\w+\\))?[>#]']).optional(),
  refused: text('What a line begins with, or has in it, when the switch refuses what was typed; nothing more is typed then.', answerPattern, ['^% ']).optional(),
  samples: z.strictObject({
    port: z.int().min(1).max(128).meta({ description: 'Of which port.' }),
    on: z.string().meta({ description: 'What show printed while it gave power.' }),
    off: z.string().meta({ description: 'What show printed while it gave none.' }),
  }).meta({ description: 'What the switch really printed: isOn and isOff are tried on it each time this file is read, and a rehearsal\'s switch answers so.' }).optional(),
});

/** The section `switch`: the PoE switch. */
export const powerSwitch = z.strictObject({
  address: address('The PoE switch.'),
  sshPort: port('Its SSH port; 22 unless told.').optional(),
  user: text('Its SSH user; the password is in credentials.sops.yaml.', filled),
  hostKey: text('Fingerprint of its host key.', format.hostKeyFingerprint),
  driver: text('Its kind; custom for one whose commands stand here.', format.driverName, ['unifi', 'openwrt', 'routeros', 'netgear', 'cisco', 'custom']),
  portName: text('What the switch calls a port, where it is not what its kind takes for granted (lan{port}, ether{port}, 1/0/{port}, GigabitEthernet1/0/{port}).', portName, ['GigabitEthernet0/{port}']).optional(),
  commands: commands.meta({ description: 'How a switch of kind custom is spoken to.' }).optional(),
});
