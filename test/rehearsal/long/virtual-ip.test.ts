import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { parseAllDocuments, stringify } from 'yaml';
import { createBoardParts } from '../../../lab/pi/parts.ts';
import type { Board } from '../../../lab/pi/types.ts';
import { toolPrograms } from '../../support/host.ts';
import { applied, bootedBoard, makeFiles, until, type Files } from '../../lab/pi/boards.ts';
import { memoryCards } from '../../lab/pi/memory-card.ts';
import { talosctl, type Answer } from '../../lab/pi/recordings.ts';

// Three control planes that share 127.102.3.10: real etcd members, and who has the address answers there.
const SHARED = '127.102.3.10';
const ADDRESSES = ['127.102.3.11', '127.102.3.12', '127.102.3.13'] as const;

let files: Files;
const boards: Board[] = [];
const run = (...args: string[]): Promise<Answer> => talosctl(args, { cwd: files.folder, talosconfig: files.talosconfig });

before(async () => {
  files = await makeFiles(SHARED, '127.102.3.99');
  const source = readFileSync(join(files.folder, 'controlplane.yaml'), 'utf8');
  const main = parseAllDocuments(source)[0]!.toJS() as { machine: Record<string, unknown>; cluster: { discovery: object; apiServer: Record<string, unknown> } };
  ADDRESSES.forEach((address, index) => {
    const config = {
      ...main, cluster: { ...main.cluster, discovery: { enabled: true } },
      machine: {
        ...main.machine, certSANs: [SHARED],
        network: { hostname: `cp-${index + 1}`, interfaces: [{ deviceSelector: { physical: true }, dhcp: false, addresses: [`${address}/24`], vip: { ip: SHARED } }] },
      },
    };
    writeFileSync(join(files.folder, `cp-${index + 1}.yaml`), stringify(config), { mode: 0o600 });
  });
});
after(async () => {
  await Promise.all(boards.map((board) => board.powerOff()));
  files.remove();
});

/** The addresses of the boards that say they have the shared one. */
async function holders(of: readonly string[]): Promise<string[]> {
  const told = await Promise.all(of.map(async (address) => [address, (await run('get', 'addresses', '-n', address, '-e', address)).stdout] as const));
  return told.filter(([, text]) => text.includes(`${SHARED}/32`)).map(([address]) => address);
}

async function answering(): Promise<boolean> {
  return (await run('version', '-n', SHARED, '-e', SHARED)).exitCode === 0;
}

test('one of three control planes has the virtual IP; when it dies or is cut off another takes it over', async () => {
  const folder = join(files.folder, 'cards');
  mkdirSync(folder);
  const parts = { ...createBoardParts(toolPrograms()), card: memoryCards(folder) };
  for (const [index, address] of ADDRESSES.entries()) {
    boards.push(await bootedBoard(address, parts, join(files.folder, 'boards')));
    await applied(boards[index]!, `cp-${index + 1}.yaml`, files);
  }
  assert.equal((await run('bootstrap', '-n', ADDRESSES[0], '-e', ADDRESSES[0])).exitCode, 0);
  const voters = async (): Promise<number> => (await run('etcd', 'members', '-n', ADDRESSES[0], '-e', ADDRESSES[0])).stdout.split('\n').filter((line) => /cp-\d.*false/.test(line)).length;
  await until(async () => await voters() === 3, 'three voting members');
  await until(answering, 'an answer at the virtual IP');
  const [first] = await holders(ADDRESSES);
  assert.equal(first, ADDRESSES[0]);

  await boards[0]!.die();
  const rest = ADDRESSES.slice(1);
  await until(async () => (await holders(rest)).length === 1, 'another has it');
  await until(answering, 'an answer at the virtual IP again');
  assert.match((await run('etcd', 'members', '-n', rest[0]!, '-e', rest[0]!)).stdout, /cp-1/, 'a dead member stays listed');

  const [second] = await holders(rest);
  const at = rest.findIndex((address) => address === second) + 1;
  const before = await run('etcd', 'status', '-n', rest.join(','), '-e', second!);
  assert.equal(before.exitCode, 0, before.stderr);
  // A dead member's place is free for another board once it is removed, as the real etcd has it.
  const dead = /^\S+ +(\S+) +cp-1 /m.exec((await run('etcd', 'members', '-n', second!, '-e', second!)).stdout)![1]!;
  assert.equal((await run('etcd', 'remove-member', dead, '-n', second!, '-e', second!)).exitCode, 0);
  assert.equal((await run('etcd', 'members', '-n', second!, '-e', second!)).stdout.split('\n').filter((line) => /cp-\d/.test(line)).length, 2);

  // The removed member comes back from the dead with its old data: etcd refuses it, and it takes part in nothing.
  boards[0]!.mend();
  await boards[0]!.powerOn();
  await until(async () => /Failed|Finished/.test((await run('service', 'etcd', '-n', ADDRESSES[0], '-e', ADDRESSES[0])).stdout), 'the removed member is refused');
  assert.deepEqual(await holders(ADDRESSES), [second]);

  // Two members and one cut off: no quorum, so nobody may hold the address for long; with both it is there again.
  await boards[at]!.cutOff();
  assert.equal((await run('version', '-n', second!, '-e', second!)).exitCode, 1);
  assert.equal(await answering(), false);
  await boards[at]!.rejoin();
  await until(answering, 'an answer at the virtual IP after the cut');
});
