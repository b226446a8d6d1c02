import { timingSafeEqual, createHash } from 'node:crypto';
import ssh2, { type Connection, type ParsedKey } from 'ssh2';
import { newSshKey } from '../lib/ssh-key.ts';
import { fingerprint } from '../lib/ssh.ts';
import { openSshDoor } from './ssh-door.ts';
import { dialectOf, type Spoken } from './switch-dialects.ts';
import { serveTerminal } from './switch-terminal.ts';

/** How the switch misbehaves: closed port, or silence on every new connection and command. */
export type SwitchFault = 'refuse' | 'hang';

/** A PoE switch of the lab. `hostKey` is a private key as createHostKey makes it; `onPower` runs before the command is answered. */
export type SwitchOptions = {
  readonly address: string;
  readonly port: number;
  readonly user: string;
  readonly password: string;
  readonly hostKey: string;
  /** How many ports it has; numbered from 1. */
  readonly ports: number;
  /** Which switch it is, as the inventory says it; a UniFi one unless told. */
  readonly speaks?: Spoken;
  /** What they are at the start; off unless told. */
  readonly initially?: 'on' | 'off';
  onPower(port: number, state: 'on' | 'off'): void | Promise<void>;
};

/** The running switch. */
export type LabSwitch = {
  /** Of its host key, `SHA256:…`. */
  readonly fingerprint: string;
  readonly port: number;
  /** Throws RangeError for a port that it hasn't. */
  state(port: number): 'on' | 'off';
  /** Takes effect before it resolves; undefined heals, and lets hanging connections go. */
  fail(mode: SwitchFault | undefined): Promise<void>;
  close(): Promise<void>;
};

/** A new Ed25519 host key in OpenSSH format. */
export function createHostKey(): string {
  return newSshKey().private;
}

/**
 * Starts an SSH server that answers as such a switch does, one command at a time or at a prompt. Rejects where the address cannot be bound;
 * throws `E_LAB_SWITCH` where what the owner's own switch answers is not known.
 */
export async function startSwitch(options: SwitchOptions): Promise<LabSwitch> {
  const ports = new Map(Array.from({ length: options.ports }, (_, i) => [i + 1, options.initially ?? 'off'] as const)) as Map<number, 'on' | 'off'>;
  const held = new Set<() => void>();
  let fault: SwitchFault | undefined;
  const dialect = dialectOf(options.speaks ?? { driver: 'unifi' });

  const set = async (port: number, state: 'on' | 'off'): Promise<void> => {
    if (ports.get(port) === state) return;
    ports.set(port, state);
    try {
      await options.onPower(port, state);
    } catch (error) {
      ports.set(port, state === 'on' ? 'off' : 'on');
      throw error;
    }
  };
  const serve = (connection: Connection): void => {
    connection.on('authentication', (request) => {
      if (request.method === 'password' && request.username === options.user && same(request.password, options.password)) return request.accept();
      request.reject(['password']);
    });
    connection.on('session', (accept) => {
      const session = accept();
      session.on('pty', (acceptPty) => acceptPty?.());
      session.on('exec', (acceptExec, reject, info) => {
        if (!('answer' in dialect)) return reject();
        const channel = acceptExec();
        const answer = async (): Promise<void> => {
          const result = await dialect.answer(info.command, ports, set).catch((error: unknown) => ({ exitCode: 1, stdout: '', stderr: `${String(error)}\n` }));
          if (result.stdout !== '') channel.write(result.stdout);
          if (result.stderr !== '') channel.stderr.write(result.stderr);
          channel.exit(result.exitCode);
          channel.end();
        };
        if (fault === 'hang') held.add(() => channel.close());
        else void answer();
      });
      session.on('shell', (acceptShell, reject) => {
        if (!('terminal' in dialect)) return reject();
        serveTerminal(acceptShell(), dialect.terminal(ports, set, options.password), () => fault === 'hang');
      });
    });
  };
  const door = await openSshDoor({ address: options.address, port: options.port, hostKey: options.hostKey, ident: 'dropbear_2020.81' }, serve);
  const heal = (): void => {
    for (const release of held) release();
    held.clear();
  };
  return {
    fingerprint: fingerprint((ssh2.utils.parseKey(options.hostKey) as ParsedKey).getPublicSSH()),
    port: door.port,
    state: (number) => {
      const state = ports.get(number);
      if (state === undefined) throw new RangeError(`the switch has no port ${number}`);
      return state;
    },
    fail: async (mode) => {
      heal();
      fault = mode;
      door.hang(mode === 'hang');
      await (mode === 'refuse' ? door.shut() : door.open());
    },
    close: async () => {
      heal();
      await door.shut();
    },
  };
}

function same(one: string, other: string): boolean {
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(one), digest(other));
}
