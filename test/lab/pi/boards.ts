import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parse, stringify } from 'yaml';
import { CLIENT_AUTH, issue, SERVER_AUTH } from '../../../lab/pi/tls.ts';
import { createBoard } from '../../../lab/pi/board.ts';
import type { Board, BoardParts } from '../../../lab/pi/types.ts';
import { talosctl, type Answer } from './recordings.ts';

type Context = { readonly endpoints: readonly string[]; readonly ca: string; readonly crt: string; readonly key: string };

/** Config files as the recorder had them, made by the real talosctl for a control plane at `endpoint`. */
export type Files = { readonly folder: string; readonly talosconfig: string; remove(): void };

function edit(text: string, from: RegExp, to: string): string {
  if (!from.test(text)) throw new Error(`the generated config has no ${from}`);
  return text.replace(from, to);
}

/** Makes the files that the recordings name (recorded/talos-1.11.0/README.md, "How the nodes were made"). */
export async function makeFiles(endpoint: string, other: string): Promise<Files> {
  const folder = mkdtempSync(join(tmpdir(), 'firstlight-pi-'));
  const run = async (...args: string[]): Promise<void> => {
    const answer = await talosctl(args, { cwd: folder, talosconfig: join(folder, 'talosconfig') });
    if (answer.exitCode !== 0) throw new Error(answer.stderr);
  };
  const options = ['--with-docs=false', '--with-examples=false', '--force'];
  await run('gen', 'config', 'lab', `https://${endpoint}:6443`, '-o', folder, ...options);
  mkdirSync(join(folder, 'other'));
  await run('gen', 'config', 'other', `https://${other}:6443`, '-o', join(folder, 'other'), ...options);
  await run('--talosconfig', join(folder, 'talosconfig'), 'config', 'endpoint', endpoint);
  await run('--talosconfig', join(folder, 'other', 'talosconfig'), 'config', 'endpoint', endpoint);
  const read = (name: string): string => readFileSync(join(folder, name), 'utf8');
  const write = (name: string, text: string): void => writeFileSync(join(folder, name), text, { mode: 0o600 });
  // Discovery was off where the recordings were made.
  for (const name of ['controlplane.yaml', 'worker.yaml', 'other/controlplane.yaml']) write(name, edit(read(name), /discovery:\n {8}enabled: true/, 'discovery:\n        enabled: false'));
  const worker = read('worker.yaml');
  write('other-controlplane.yaml', read('other/controlplane.yaml'));
  write('other-talosconfig', read('other/talosconfig'));
  write('worker-vm.yaml', worker);
  write('controlplane-hostname.yaml', edit(read('controlplane.yaml'), /network: \{\}/, 'network:\n        hostname: cp-one'));
  write('invalid.yaml', 'machine:\n  type: [worker\n  network: {\n');
  write('empty.yaml', '');
  write('not-a-config.yaml', 'hello world\n');
  write('not-talos.yaml', 'apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: x\n');
  write('unknown-field.yaml', edit(worker, /machine:\n/, 'machine:\n    bogusField: 1\n'));
  write('unknown-kind.yaml', `${worker}---\napiVersion: v1alpha1\nkind: BogusConfig\n`);
  write('wrong-role.yaml', edit(worker, /type: worker/, 'type: bogus'));
  write('wrong-yaml-type.yaml', edit(worker, /certSANs: \[\]/, 'certSANs: "a-string"'));
  write('no-endpoint.yaml', edit(worker, / {4}controlPlane:\n {8}endpoint: .*\n/, ''));
  write('bad-endpoint.yaml', edit(worker, /endpoint: https:\/\//, 'endpoint: '));
  write('no-token.yaml', edit(worker, / {4}token: .*\n/, ''));
  write('no-ca.yaml', edit(worker, / {4}ca:\n {8}crt: .*\n {8}key: .*\n/, ''));
  const config = parse(read('talosconfig')) as { contexts: { lab: Context } };
  const foreign = (parse(read('other/talosconfig')) as { contexts: { other: Context } }).contexts.other;
  const machine = (parse(read('controlplane.yaml')) as { machine: { ca: { crt: string; key: string } } }).machine;
  const ca = { crt: Buffer.from(machine.ca.crt, 'base64').toString(), key: Buffer.from(machine.ca.key, 'base64').toString() };
  const variant = (name: string, context: Partial<Context>): void => {
    write(`${name}-talosconfig`, stringify({ context: 'lab', contexts: { lab: { ...config.contexts.lab, ...context } } }));
  };
  const client = async (hours: number, usages: readonly string[]): Promise<Partial<Context>> => {
    const pair = await issue(ca, { organisations: ['os:admin'], usages, hours });
    return { crt: Buffer.from(pair.crt).toString('base64'), key: Buffer.from(pair.key.replaceAll('PRIVATE KEY', 'ED25519 PRIVATE KEY')).toString('base64') };
  };
  variant('nonode', {});
  variant('noendpoint', { endpoints: [] });
  variant('mixed', { crt: foreign.crt, key: foreign.key });
  variant('expired', await client(-0.001, [CLIENT_AUTH]));
  variant('noeku', await client(1, [SERVER_AUTH]));
  write('worker-noinstall.yaml', edit(worker, / {4}install:\n( {8}.*\n)+/, ''));
  write('patch-label.yaml', 'machine:\n  nodeLabels:\n    a: b\n');
  write('patch-sysctl.yaml', 'machine:\n  sysctls:\n    net.ipv4.tcp_keepalive_time: "600"\n');
  write('patch-vm.yaml', 'machine:\n  time:\n    disabled: true\n  install:\n    disk: /dev/vda\n');
  return { folder, talosconfig: join(folder, 'talosconfig'), remove: () => rmSync(folder, { recursive: true, force: true }) };
}

/** Makes a board at `address` and waits until it is in maintenance mode. */
export async function bootedBoard(address: string, parts: BoardParts, folder: string): Promise<Board> {
  const last = address.split('.').at(-1)!.padStart(2, '0');
  const board = createBoard({ mac: `dc:a6:32:00:00:${last}`, dhcpAddress: address, cardPath: `card-${last}`, parts, folder: join(folder, `board-${last}`), bootMs: 20 });
  await board.powerOn();
  await until(() => board.state() === 'maintenance', `board ${address} in maintenance`);
  return board;
}

/** Waits for a condition that is cheap to look at. Throws after 20 s with its name. */
export async function until(met: () => boolean | Promise<boolean>, name: string): Promise<void> {
  for (const end = Date.now() + 20_000; ;) {
    if (await met()) return;
    if (Date.now() > end) throw new Error(`waited 20 s for: ${name}`);
    await sleep(50);
  }
}

/** Applies a config to a board in maintenance mode and waits until its API answers under mutual TLS. */
export async function applied(board: Board, file: string, files: Files, talosconfig = files.talosconfig): Promise<void> {
  const address = board.address()!;
  const run = (...args: string[]): Promise<Answer> => talosctl(args, { cwd: files.folder, talosconfig });
  const answer = await run('apply-config', '--insecure', '-n', address, '-f', file);
  if (answer.exitCode !== 0) throw new Error(answer.stderr);
  await until(async () => (await run('version', '-n', address, '-e', address)).exitCode === 0, `the API of ${address}`);
}
