import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { open } from 'node:fs/promises';
import { test } from 'node:test';
import type { MutualChap } from '../../lib/iscsi/errors.ts';
import { inquiry, readBlocks, readCapacity, writeBlocks } from '../../lib/iscsi/scsi.ts';
import { openSession, withSession } from '../../lib/iscsi/session.ts';
import { discoverTargets, firstDisk, proveLun, withTarget } from '../../storage/iscsi/prove.ts';
import { testHost } from '../support/host.ts';
import { everyWord, failure } from './support.ts';
import { BYTES, CHAP, DESK, IQN, MUTUAL, openLab, openReal } from './targets.ts';
import { noTgt } from './tgt.ts';

const PORTS = [
  { name: 'the lab’s target', address: '127.100.22.1', skip: false, start: openLab, absent: /switched off: discovery shows iqn.* \(0x0301\)/, off: /switched off: .*0x0301/, denied: /0x0202/ },
  { name: 'a real tgt', address: '127.100.23.1', skip: noTgt, start: openReal, absent: /no such target.*: discovery shows iqn.* \(0x0203\)/, off: /0x0300/, denied: /none at all \(0x0203\)/ },
] as const;

type Claim = { readonly portal: string; readonly iqn: string; readonly user: string; readonly secret: string; readonly initiator: string; readonly expectedBytes: number };
type Row = { readonly title: string; readonly code: string; readonly change?: Partial<Claim>; readonly mutual?: MutualChap; readonly says?: RegExp };

/** reference table of failures: what differs from a login that works, and what must be told. */
function failures({ address, absent, off, denied }: (typeof PORTS)[number]): readonly Row[] {
  return [
    { title: 'a wrong CHAP secret', code: 'E_ISCSI_AUTH', change: { secret: 'canarywrong99' }, says: /0x0201/ },
    { title: 'an unknown CHAP user', code: 'E_ISCSI_AUTH', change: { user: 'nobody' }, says: /0x0201/ },
    { title: 'an initiator outside the ACL', code: 'E_ISCSI_ACL', change: { initiator: `${DESK}.stranger` }, says: denied },
    { title: 'an unknown target', code: 'E_ISCSI_TARGET', change: { iqn: `${IQN.good}.absent` }, says: absent },
    { title: 'a target switched off', code: 'E_ISCSI_TARGET', change: { iqn: IQN.off }, says: off },
    { title: 'a port nobody listens at', code: 'E_ISCSI_CONNECT', change: { portal: `${address}:3269` }, says: /ECONNREFUSED/ },
    { title: 'a target that lets anybody in', code: 'E_ISCSI_AUTH', change: { iqn: IQN.open }, says: /anybody/ },
    { title: 'a target without a disk', code: 'E_ISCSI_LUN', change: { iqn: IQN.empty } },
    { title: 'another size than declared', code: 'E_ISCSI_LUN', change: { expectedBytes: BYTES * 2 }, says: /cluster file/ },
    { title: 'a wrong mutual secret', code: 'E_ISCSI_MUTUAL', change: { iqn: IQN.mutual }, mutual: { ...MUTUAL, secret: 'canarymutual2' } },
    { title: 'another mutual user', code: 'E_ISCSI_MUTUAL', change: { iqn: IQN.mutual }, mutual: { ...MUTUAL, user: 'other' } },
    { title: 'a mutual secret that is ours', code: 'E_ISCSI_MUTUAL', change: { iqn: IQN.mutual }, mutual: { ...MUTUAL, secret: CHAP.secret }, says: /proves nothing/ },
    { title: 'mutual CHAP of a target without CHAP', code: 'E_ISCSI_MUTUAL', change: { iqn: IQN.open }, mutual: MUTUAL, says: /asks for none/ },
  ];
}

for (const port of PORTS) {
  test(`our initiator against ${port.name}`, { skip: port.skip }, async (t) => {
    const host = testHost();
    const claim: Claim = { portal: `${port.address}:3260`, iqn: IQN.good, ...CHAP, initiator: DESK, expectedBytes: BYTES };
    try {
      await using targets = await port.start(host, port.address);
      await t.test('proves the LUN, and sees every target', async () => {
        const { serial, ...proof } = await proveLun(host, claim);
        assert.deepEqual(proof, { vendor: 'SYNOLOGY', product: 'Storage', bytes: BYTES, lun: 1 });
        assert.match(serial, /^[0-9a-f-]{10,36}$/);
        assert.equal((await failure(proveLun(host, { ...claim, serial: 'another' }))).code, 'E_ISCSI_LUN');
        assert.deepEqual((await discoverTargets(host, claim)).filter((iqn) => iqn !== IQN.off).sort(), [IQN.empty, IQN.good, IQN.mutual, IQN.open]);
      });
      for (const { title, code, change, mutual, says } of failures(port)) {
        await t.test(`${title}: ${code}`, async () => {
          const error = await failure(proveLun(host, { ...claim, ...change }, mutual && { mutual }));
          assert.equal(error.code, code, error.message);
          if (says) assert.match(error.message, says);
          assert.ok(error.hint.length > 40);
          assert.doesNotMatch(everyWord(error), /canary/);
        });
      }
      await t.test('CHAP left out: E_ISCSI_AUTH', async () => {
        const { user: _user, secret: _secret, ...nameless } = claim;
        assert.equal((await failure(withTarget(host, nameless, async () => {}))).code, 'E_ISCSI_AUTH');
      });
      await t.test('a LUN number with nothing behind it: E_ISCSI_LUN', () => withTarget(host, claim, async (session) => {
        for (const lun of [7, 300]) {
          assert.equal((await inquiry(session, lun)).disk, false);
          const error = await failure(readCapacity(session, lun));
          assert.equal(error.code, 'E_ISCSI_LUN');
          assert.match(error.message, /no such logical unit \(sense 5, 0x2500\)/);
        }
      }));
      await t.test('mutual CHAP: a target that proves itself', async () => {
        await withSession(host, { ...claim, iqn: IQN.mutual }, async (session) => assert.equal(session.chap, true), { mutual: MUTUAL });
      });
      await t.test('blocks of every length, at both ends of the disk, are in the file and read back', async () => {
        const session = await openSession(host, claim);
        const lun = await firstDisk(session);
        const { blocks } = await readCapacity(session, lun);
        const file = await open(targets.image);
        for (const count of [1, 15, 16, 17, 128, 129, 512, 513, 1_400]) {
          for (const first of [0, 64, blocks - count]) {
            const data = randomBytes(count * 512);
            await writeBlocks(session, lun, first, data);
            assert.ok((await readBlocks(session, lun, first, count)).equals(data), `${count} blocks at ${first}`);
            assert.ok((await file.read(Buffer.alloc(data.length), 0, data.length, first * 512)).buffer.equals(data), `${count} blocks at ${first} in the file`);
          }
        }
        await file.close();
        const error = await failure(readBlocks(session, lun, blocks, 1));
        assert.equal(error.code, 'E_ISCSI_LUN');
        assert.match(error.message, /no such blocks.*0x2100/);
        await session.logOut();
      });
    } finally {
      host.remove();
    }
  });
}
