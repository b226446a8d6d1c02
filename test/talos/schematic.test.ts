import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import { createServer, type Server } from 'node:http';
import { once } from 'node:events';
import { join } from 'node:path';
import { startFactory } from '../../lab/factory/factory.ts';
import type { Schematic } from '../../nodes/cluster.ts';
import { goString } from '../../talos/go-yaml.ts';
import { postSchematic, schematicId, schematicYaml } from '../../talos/schematic.ts';
import { testHost, type TestHost } from '../support/host.ts';

const overlay = { image: 'siderolabs/sbc-raspberrypi', name: 'rpi_generic' };
const gandalf: Schematic = {
  overlay: { ...overlay, configTxtAppend: 'dtparam=poe_fan_temp0=50000\ndtparam=poe_fan_temp1=60000\n' },
  extensions: ['siderolabs/iscsi-tools', 'siderolabs/util-linux-tools'],
  kernelArgs: ['net.ifnames=0'],
};

let host: TestHost;
beforeEach(() => { host = testHost(); });
afterEach(() => host.remove());

test('the id of the plain Raspberry Pi schematic is the one that Talos documents', () => {
  const yaml = schematicYaml({ overlay, extensions: [], kernelArgs: [] });
  assert.equal(schematicId(yaml), 'ee21ef4a5ef808a9b7484cc0dda0f25075021691c8c09a276591eedb638ea1f9');
});

test('a full schematic is written in the order and indentation of the factory', () => {
  assert.equal(schematicYaml(gandalf), [
    'overlay:', '    image: siderolabs/sbc-raspberrypi', '    name: rpi_generic', '    options:', '        configTxtAppend: |',
    '            dtparam=poe_fan_temp0=50000', '            dtparam=poe_fan_temp1=60000', 'customization:', '    extraKernelArgs:',
    '        - net.ifnames=0', '    systemExtensions:', '        officialExtensions:', '            - siderolabs/iscsi-tools',
    '            - siderolabs/util-linux-tools', '',
  ].join('\n'));
});

test('strings are quoted as Go quotes them', () => {
  // Answers of go.yaml.in/yaml/v4 v4.0.0-rc.6.
  const cases: Readonly<Record<string, string>> = {
    'console=tty0': 'console=tty0', 'a: b': "'a: b'", 'x#y': 'x#y', 'x #y': "'x #y'", '-': "'-'", '@a': "'@a'", true: '"true"', yes: "'yes'",
    '12': '"12"', '12:30': "'12:30'", '1.2.3': '1.2.3', '': '""', 'ip=192.168.1.2::192.168.1.1': 'ip=192.168.1.2::192.168.1.1',
    'a\tb': '"a\\tb"', 'a\nb': '|-\n        a\n        b', 'a \nb\n': '"a \\nb\\n"', ' a\n': '|4\n         a', 'a\n\n': '|+\n        a\n',
  };
  for (const [text, written] of Object.entries(cases)) assert.equal(goString(text, 2), written, JSON.stringify(text));
});

test('a secret in a schematic is refused before anything is sent', async () => {
  const secrets: Schematic[] = [
    { ...gandalf, kernelArgs: ['talos.config=https://me:hunter2@example.com/c.yaml'] },
    { ...gandalf, kernelArgs: ['wifi.password=hunter2'] },
    { ...gandalf, overlay: { ...overlay, configTxtAppend: 'AGE-SECRET-KEY-1QQQQQQ\n' } },
  ];
  for (const schematic of secrets) assert.throws(() => schematicYaml(schematic), { code: 'E_SCHEMATIC_SECRET' });
  host.mask.add('very-hidden-thing');
  const yaml = schematicYaml({ ...gandalf, kernelArgs: ['x=very-hidden-thing'] });
  await assert.rejects(postSchematic(host, 'http://127.33.1.1:9', yaml), { code: 'E_SCHEMATIC_SECRET' });
});

test('the factory computes the same id and keeps the schematic; unknown fields and extensions it refuses', async () => {
  const factory = await startFactory({ address: '127.33.1.1', port: 0, folder: join(host.scratch, 'factory') });
  try {
    const yaml = schematicYaml(gandalf);
    assert.equal(await postSchematic(host, `${factory.url}/`, yaml), schematicId(yaml));
    const kept = await fetch(`${factory.url}/schematics/${schematicId(yaml)}`);
    assert.equal(kept.status, 200);
    assert.equal((await kept.text()).trim(), yaml.trim());
    await assert.rejects(postSchematic(host, factory.url, `${yaml}bogus: 1\n`), { code: 'E_SCHEMATIC_REFUSED' });
    await assert.rejects(postSchematic(host, factory.url, schematicYaml({ ...gandalf, extensions: ['siderolabs/nothing'] })), { code: 'E_SCHEMATIC_REFUSED' });
    const official = await (await fetch(`${factory.url}/version/v1.11.0/extensions/official`)).json() as { name: string }[];
    assert.ok(official.some((one) => one.name === 'siderolabs/iscsi-tools'));
    factory.fail('refuse');
    await assert.rejects(postSchematic(host, factory.url, yaml), { code: 'E_FACTORY' });
  } finally {
    await factory.close();
  }
});

test('a factory that names another id is not believed', async () => {
  const server = await otherFactory();
  try {
    const { port } = server.address() as { port: number };
    await assert.rejects(postSchematic(host, `http://127.33.1.2:${port}`, schematicYaml(gandalf)), { code: 'E_SCHEMATIC_ID' });
  } finally {
    server.close();
    server.closeAllConnections();
  }
});

async function otherFactory(): Promise<Server> {
  const server = createServer((request, response) => {
    request.resume();
    response.writeHead(201).end(JSON.stringify({ id: 'ab'.repeat(32) }));
  });
  server.listen(0, '127.33.1.2');
  await once(server, 'listening');
  return server;
}
