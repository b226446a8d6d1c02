import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { startCardReader, type LabCardReader } from '../../../../lab/card-reader.ts';
import { newSshKey, type SshKeyPair } from '../../../../lib/ssh-key.ts';
import type { Desk } from '../../../../nodes/cards/desk.ts';
import { withReader } from '../../../../nodes/cards/remote/reader.ts';
import type { CardReader } from '../../../../nodes/cluster.ts';
import { testHost, type TestHost } from '../../../support/host.ts';

/** Why a test that needs the far end is left out here, or false. */
export const NO_PYTHON = spawnSync('python3', ['--version']).status !== 0 && 'needs python3';

/** A workbench with a card reader, and somebody at home who writes cards there. */
export type Workbench = {
  readonly host: TestHost;
  readonly machine: LabCardReader;
  readonly reader: CardReader;
  readonly key: SshKeyPair;
  /** Puts a program before all others there. */
  program(name: string, script: string): void;
  at<T>(work: (desk: Desk) => Promise<T>): Promise<T>;
  close(): Promise<void>;
};

/** Sets one up at a loopback address; what runs there is run by this machine, with a PATH of its own. */
export async function workbench(address: string): Promise<Workbench> {
  const host = testHost();
  const key = newSshKey();
  const bin = join(host.scratch, 'workbench-bin');
  mkdirSync(bin);
  const machine = await startCardReader({
    address, port: 0, user: 'pi', authorizedKeys: [key.public], hostKey: newSshKey().private,
    environment: { PATH: `${bin}:${process.env['PATH'] ?? '/usr/bin:/bin'}`, HOME: host.scratch },
  });
  const reader: CardReader = { user: 'pi', host: address, port: machine.port, hostKey: machine.fingerprint };
  return {
    host, machine, reader, key,
    program(name, script) {
      writeFileSync(join(bin, name), `#!/bin/sh\n${script}\n`);
      chmodSync(join(bin, name), 0o755);
    },
    at: (work) => withReader(host, reader, async () => key.private, work),
    async close() {
      await machine.close();
      host.remove();
    },
  };
}
