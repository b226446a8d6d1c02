// A writer to be killed: node writer.ts <image> <device>. Says "begun" when it starts, "writing" with the first bytes on the card, "done" when it is written.
import { writeCards } from '../../../nodes/cards/write.ts';
import { testHost } from '../../support/host.ts';

const [image = '', device = ''] = process.argv.slice(2);
const host = testHost();
process.stdout.write('begun\n');
let writing = false;
const emit: typeof host.emit = (event) => {
  if (!writing && event.code === 'card.progress') process.stdout.write('writing\n');
  writing ||= event.code === 'card.progress';
};
await writeCards({ ...host, emit }, { image: { path: image }, targets: [{ node: 'cp-1', device, meta: new Map([[0x0c, 'new']]) }] });
process.stdout.write('done\n');
host.remove();
