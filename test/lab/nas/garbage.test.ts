import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { test } from 'node:test';
import fc from 'fast-check';
import { openConnection } from '../../../lib/iscsi/connection.ts';
import { logIn } from '../../../lib/iscsi/login.ts';
import { encode, header } from '../../../lib/iscsi/pdu.ts';
import { readBlocks, readCapacity } from '../../../lib/iscsi/scsi.ts';
import { withSession } from '../../../lib/iscsi/session.ts';
import { testHost } from '../../support/host.ts';
import { openLabTarget } from './target.ts';

const ADDRESS = '127.21.7.2';
const BYTES = 8 * 1024 ** 2;
const to = { portal: `${ADDRESS}:3260`, iqn: 'iqn.2026-01.local.test:data', initiator: 'iqn.2026-11.local.test:desk' };

/** Any header at all, of a known opcode more often than not, and some data. */
const unit = fc.tuple(fc.uint8Array({ minLength: 48, maxLength: 48 }), fc.constantFrom(0, 1, 1, 1, 2, 4, 5, 5, 6, 0x3a), fc.uint8Array({ maxLength: 600 })).map(([bytes, opcode, data]) => {
  const head = header(opcode, bytes[1] ?? 0, 7, ((bytes[0] ?? 0) & 1) !== 0);
  Buffer.from(bytes).copy(head, 8, 8);
  return Buffer.concat(encode(head, Buffer.from(data)));
});

test('whatever an initiator sends, before and after its login, the target serves the next one', async () => {
  const host = testHost();
  await using lab = await openLabTarget(ADDRESS);
  lab.add({ iqn: to.iqn }, await lab.lun(BYTES));
  await fc.assert(fc.asyncProperty(fc.array(unit, { maxLength: 12 }), fc.boolean(), async (units, loggedIn) => {
    if (loggedIn) {
      const connection = await openConnection(host, to);
      await logIn(connection, to, 5_000);
      for (const bytes of units) connection.send(bytes.subarray(0, 48), bytes.subarray(48, 48 + bytes.readUIntBE(5, 3)));
      connection.close();
    } else {
      const socket = connect(3260, ADDRESS).on('error', () => {});
      await once(socket, 'connect');
      socket.write(Buffer.concat(units));
      socket.destroy();
    }
  }), { numRuns: 150 });
  await withSession(host, to, async (session) => {
    const { blocks } = await readCapacity(session, 1);
    assert.equal(blocks * 512, BYTES);
    await readBlocks(session, 1, 0, 8);
  });
  host.remove();
});
