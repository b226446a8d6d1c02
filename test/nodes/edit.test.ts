import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import fc from 'fast-check';
import { setNode } from '../../nodes/edit.ts';
import { editedText, textWithHostKey } from '../../nodes/edit-text.ts';
import { loadCluster } from '../../nodes/load.ts';

const VALID = join(import.meta.dirname, '../inventories/valid');
const folder = mkdtempSync(join(tmpdir(), 'firstlight-test-'));
const file = join(folder, 'cluster.yaml');
after(() => rmSync(folder, { recursive: true }));

const MAC = '2c:cf:67:00:00:99';

/** nodes-only.yaml with these lines in place of w-1's MAC. */
function tiny(lines: string): string {
  const plain = readFileSync(join(VALID, 'nodes-only.yaml'), 'utf8');
  const at = '    mac: dc:a6:32:00:00:21\n';
  assert.ok(plain.includes(at));
  return plain.replace(at, lines);
}

const hex = fc.constantFrom(...'0123456789abcdef');
const macs = fc.array(fc.tuple(hex, hex).map((pair) => pair.join('')), { minLength: 5, maxLength: 5 }).map((bytes) => ['0a', ...bytes].join(':'));
const serials = fc.oneof(fc.constantFrom('0x1b2c3d4e', '123', 'true', 'null', '1e5', 'a: b', "it's", 'say "so"', '#x', 'ä', '-', '*a', 'x,y', '{x}'), fc.string({ minLength: 1, maxLength: 12 }).filter((text) => /^\S(.*\S)?$/.test(text)));

test('whatever the file: the values are those wanted, everything around them stays to the byte, and the same again changes nothing', () => {
  const files = readdirSync(VALID).map((name) => readFileSync(join(VALID, name), 'utf8'));
  fc.assert(fc.property(fc.constantFrom(...files), fc.nat(), fc.boolean(), macs, serials, (text, index, crlf, mac, serial) => {
    const given = crlf ? text.replaceAll('\n', '\r\n') : text;
    const names = [...given.matchAll(/^ {2}- (?:\{ )?name: ([a-z0-9-]+)/gm)].map((match) => match[1]!);
    const nodes = names.slice(0, [...given.slice(0, given.search(/^(?:secrets|switch|nas):/m)).matchAll(/^ {2}- (?:\{ )?name:/gm)].length);
    const node = nodes[index % nodes.length]!;
    const once = editedText(given, file, node, { mac });
    const start = [...given].findIndex((char, at) => char !== once[at]);
    if (start !== -1) {
      const spared = given.length - given.slice(start).length;
      assert.equal(once.length, given.length, 'one MAC for another');
      assert.equal(once.slice(0, spared), given.slice(0, spared));
      const from = given.lastIndexOf('mac:', start);
      assert.ok(start - from < 30, 'the change is in the value of mac');
      assert.equal(once.slice(from + 30), given.slice(from + 30));
    }
    const both = editedText(once, file, node, { card: { serial } });
    assert.equal(editedText(both, file, node, { mac, card: { serial } }), both);
    assert.equal(/[^\r]\n/.test(both), !crlf, 'line ends are of one kind');
    const kept = new Set(both.split(/\r?\n/));
    assert.ok(once.split(/\r?\n/).filter((line) => !kept.has(line)).length <= 1, 'at most the one line with the card is another');
  }), { numRuns: 200 });
});

test('quotes, comments and order are the owner’s', () => {
  const edited = (lines: string): string => editedText(tiny(lines), file, 'w-1', { mac: MAC, card: { serial: '0x12' } });
  const cases: readonly [string, string][] = [
    ['    mac: dc:a6:32:00:00:21 # the sticker\n', `    mac: ${MAC} # the sticker\n    card: { serial: "0x12" }\n`],
    ['    mac:   \'DC-A6-32-00-00-21\'   # old\n    card: {serial: "0x1", device: /dev/disk/by-id/x} # card\n', `    mac:   '${MAC}'   # old\n    card: {serial: "0x12", device: /dev/disk/by-id/x} # card\n`],
    ['    card: { device: /dev/disk/by-id/x }\n    mac: "dc:a6:32:00:00:21"\n', `    card: { device: /dev/disk/by-id/x, serial: "0x12" }\n    mac: "${MAC}"\n`],
    ['    card:\n      # which\n      device: /dev/disk/by-id/x # that\n    mac: dc:a6:32:00:00:21\n', `    card:\n      # which\n      device: /dev/disk/by-id/x # that\n      serial: "0x12"\n    mac: ${MAC}\n`],
    ['    card: {}\n    mac: &mine dc:a6:32:00:00:21\n', `    card: { serial: "0x12" }\n    mac: &mine ${MAC}\n`],
  ];
  for (const [before, wanted] of cases) assert.equal(edited(before), tiny(wanted));
});

test('an inventory in one line is edited too, and a file without a last line end', () => {
  const flow = tiny('    mac: dc:a6:32:00:00:21\n').replace(/ {2}- name: w-1\n {4}role: worker\n {4}mac: (.*)\n {4}address: (.*)\n/, '  - { name: w-1, role: worker, mac: $1, address: $2 }\n');
  assert.ok(flow.includes('{ name: w-1'));
  assert.ok(editedText(flow, file, 'w-1', { mac: MAC, card: { serial: 'ab' } }).includes(`mac: ${MAC}, card: { serial: ab }, address:`));
});

test('what can’t be edited is told with its place, and shared values are not changed behind another node’s back', () => {
  const shared = tiny('    mac: &m dc:a6:32:00:00:21\n    labels: { was: *m }\n');
  assert.throws(() => editedText(shared, file, 'w-1', { mac: MAC }), (error: { code: string; where: unknown; message: string }) => {
    const line = shared.split('\n').findIndex((each) => each.includes('&m')) + 1;
    assert.deepEqual([error.code, error.where], ['E_INVENTORY_EDIT', { file, line, col: 13, node: 'w-1' }]);
    return /shared by the alias \*m/.test(error.message);
  });
  assert.throws(() => editedText(tiny('    mac: >-\n      dc:a6:32:00:00:21\n'), file, 'w-1', { mac: MAC }), { code: 'E_INVENTORY_EDIT' });
  assert.throws(() => editedText(shared, file, 'w-9', { mac: MAC }), { code: 'E_INVENTORY_EDIT', message: /not among the nodes/ });
});

test('the file is replaced whole after it was judged: mode and link stay, a bad value leaves it as it was', async () => {
  const target = join(folder, 'elsewhere.yaml');
  const text = readFileSync(join(VALID, 'everything.yaml'), 'utf8');
  writeFileSync(target, text);
  chmodSync(target, 0o640);
  symlinkSync(target, file);
  const edited = await setNode(file, 'gandalf-w-2', { mac: MAC.toUpperCase().replaceAll(':', '-'), card: { device: '/dev/disk/by-id/usb-new', serial: '0x77' } });
  assert.deepEqual(edited, await loadCluster(folder));
  assert.deepEqual(edited.nodes.find(({ name }) => name === 'gandalf-w-2')?.card, { device: '/dev/disk/by-id/usb-new', serial: '0x77' });
  assert.equal(readFileSync(target, 'utf8'), text.replace('dc:a6:32:77:00:22\n', `${MAC}\n    card: { device: /dev/disk/by-id/usb-new, serial: "0x77" }\n`));
  assert.equal(statSync(target).mode & 0o777, 0o640);
  const now = readFileSync(target);
  await assert.rejects(setNode(file, 'gandalf-w-1', { mac: MAC }), (error: { problems: { code: string; where: { line?: number } }[] }) => error.problems[0]?.code === 'E_INVENTORY_MAC_TWICE' && error.problems[0].where.line! > 1);
  await assert.rejects(setNode(file, 'gandalf-w-1', { card: { device: 'sda' } }), { code: 'E_INVENTORY' });
  assert.ok(readFileSync(target).equals(now), 'the file is as it was');
});

test('the git host’s key is put in the place of the old one, however it stands there; all else stays', () => {
  const plain = readFileSync(join(VALID, readdirSync(VALID).find((name) => /^ {2}hostKey: ssh-/m.test(readFileSync(join(VALID, name), 'utf8')))!), 'utf8');
  const [line, old] = /^ {2}hostKey: (ssh-.*)$/m.exec(plain)!;
  const [type, ...words] = old!.replaceAll(/['"]/g, '').split(/\s+/);
  const key = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBnother';
  for (const stands of [line, `  hostKey: ${type}\n    ${words.join(' ')}`, `  hostKey: "${type} ${words.join(' ')}" # of the old host`]) {
    const after = textWithHostKey(plain.replace(line, stands), file, key);
    assert.equal(after.replace(/^ {2}hostKey: "ssh.*$/m, ''), plain.replace(line, ''));
    assert.match(after, new RegExp(`^ {2}hostKey: "${key}"( # of the old host)?$`, 'm'));
  }
  assert.throws(() => textWithHostKey(readFileSync(join(VALID, 'nodes-only.yaml'), 'utf8'), file, key), { code: 'E_INVENTORY_EDIT' });
});
