// A writer to be killed: node writer.ts <image> <device>. Says "begun" when it starts, "done" when the card is written.
import { writeCards } from '../../../nodes/cards/write.ts';
import { testHost } from '../../support/host.ts';

const [image = '', device = ''] = process.argv.slice(2);
const host = testHost();
process.stdout.write('begun\n');
await writeCards(host, { image: { path: image }, targets: [{ node: 'cp-1', device, meta: new Map([[0x0c, 'new']]) }] });
process.stdout.write('done\n');
host.remove();
