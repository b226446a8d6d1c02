import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { parseAllDocuments } from 'yaml';
import { toolPrograms } from '../../support/host.ts';

/** A command line of the recordings and what the real thing answered. */
export type Recording = {
  readonly name: string;
  readonly command: readonly string[];
  readonly exitCode: number | null;
  readonly stdout?: string;
  readonly stderr?: string;
  readonly note?: string;
  readonly env?: Readonly<Record<string, string>>;
};

/** What a program answered. */
export type Answer = { readonly exitCode: number; readonly stdout: string; readonly stderr: string };

/** Reads a file of recorded command lines. */
export function recordings(name: string): readonly Recording[] {
  return JSON.parse(readFileSync(new URL(`../../recorded/talos-1.11.0/cli/${name}.json`, import.meta.url), 'utf8')) as readonly Recording[];
}

/** Runs the real talosctl; where `interruptMs` is told, it gets SIGINT then, as the recorder did. */
export function talosctl(args: readonly string[], options: { readonly cwd: string; readonly talosconfig: string; readonly interruptMs?: number }): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const child = spawn(toolPrograms().get('talosctl')!, args, { cwd: options.cwd, env: { HOME: options.cwd, TALOSCONFIG: options.talosconfig, PATH: '/usr/bin:/bin', TERM: 'dumb' }, stdio: ['ignore', 'pipe', 'pipe'] });
    const out = { stdout: '', stderr: '' };
    child.stdout.on('data', (data: Buffer) => { out.stdout += data.toString(); });
    child.stderr.on('data', (data: Buffer) => { out.stderr += data.toString(); });
    const interrupt = options.interruptMs === undefined ? undefined : setTimeout(() => child.kill('SIGINT'), options.interruptMs);
    const end = setTimeout(() => child.kill('SIGKILL'), 30_000);
    child.on('error', reject);
    child.on('close', (code) => {
      clearTimeout(interrupt);
      clearTimeout(end);
      resolve({ exitCode: code ?? -1, ...out });
    });
  });
}

const SAME: readonly (readonly [RegExp, string])[] = [
  // TLS refusals come in one of three ways, at random, with the real thing too.
  [/rpc error: code = Unavailable desc = (connection error: desc = "error reading server preface: (remote error: tls: [a-z ]+|.*(reset by peer|broken pipe|EOF))"|write tcp .*: write: (broken pipe|connection reset by peer)|.*connection reset by peer"?)/g, 'REFUSED'],
  [/no route to host|connection refused/g, 'UNREACHABLE'],
  [/\b(10\.77|127\.(78|80))\.\d+\.\d+\b/g, 'ADDRESS'], [/127\.0\.0\.1:\d+/g, 'ADDRESS'], [/([0-9a-f]{2}:){5}[0-9a-f]{2}/g, 'MAC'],
  [/\d{4}-\d\d-\d\dT[\d:.]+Z/g, 'TIME'], [/\b(\d+h)?(\d+m)?\d+s ago/g, 'AGO'], [/\(PID \d+\)/g, '(PID N)'], [/with PID \d+/g, 'with PID N'],
  [/\b(n1|n2|n3|pi1|talos-[a-z0-9]{3}-[a-z0-9]{3})\b/g, 'HOST'], [/linux\/(arm64|amd64)/g, 'linux/ARCH'], [/version: \d+/g, 'version: N'], [/"version": \d+/g, '"version": N'],
  [/\d+(\.\d+)? kB/g, 'SIZE'], [/\(\d+\.\d\d%\)/g, '(N%)'], [/ \d+ +\d+ +\d+ +false +3\.\d\.\d +3\.\d\.\d/g, ' N N N false 3.x 3.x'],
  [/\(\d+ bytes\)/g, '(N bytes)'], [/hash [0-9a-f]+, revision \d+, total keys \d+, total size \d+/g, 'hash H, revision N, total keys N, total size N'], [/\d+ +RUNNING/g, 'N RUNNING'],
  [/\b(eth0|end0)\b/g, 'LINK'], [/\b(vda|mmcblk0)\b/g, 'DISK'], [/\bline \d+: cannot/g, 'line N: cannot'], [/"ADDRESS","ADDRESS"/g, '"ADDRESS"'], [/\b[0-9a-f]{16}\b/g, 'MEMBER'], [/\b\d{17,20}\b/g, 'MEMBER'], [/\b[0-9a-f]{32}\b/g, 'MACHINE'], [/[0-9a-f]{8}-[0-9a-f-]{27}/g, 'UUID'], [/\b[0-9A-Za-z]{42,44}(?=$|\n|")/gm, 'IDENTITY'], [/ +/g, ' '],
  [/Signal received, aborting.*\n/g, ''],
  // Said only where talosctl's own deadline falls into a call and not between two.
  [/waiting for [a-z ]+: rpc error: code = DeadlineExceeded desc = context deadline exceeded\n/g, ''], [/ $/gm, ''],
];

/** Text without what differs between two machines of the same make: addresses, ids, times, widths of columns. */
export function normal(text: string): string {
  return SAME.reduce((out, [pattern, by]) => out.replace(pattern, by), text);
}

// `get` prints a table; the VERSION of a resource counts its past, which is nobody's promise.
function withoutVersions(text: string): string {
  return text.split('\n').map((row) => row.replace(/^( ?(?:\S+ )?(?:[+-] )?\S+ [A-Z]\w+ \S+) \d+( |$)/, '$1 N$2')).join('\n');
}

// Services that a container-mode machine, as most recordings were made on, has not.
const METAL_ROW = /^ADDRESS (auditd|syslogd|udevd) /;

/** The parts of an answer that are compared. */
export function comparable(answer: { readonly exitCode: number | null; readonly stdout?: string | undefined; readonly stderr?: string | undefined }): unknown {
  return { exitCode: answer.exitCode, stdout: withoutVersions(normal(answer.stdout ?? '')).split('\n').filter((row) => !METAL_ROW.test(row)), stderr: normal(answer.stderr ?? '').split('\n') };
}

function shapeOf(value: unknown): unknown {
  if (Array.isArray(value)) return value.length === 0 ? [] : [shapeOf(value[0])];
  if (typeof value !== 'object' || value === null) return typeof value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, shapeOf(inner)]));
}

/** What must agree of resources that show hardware (disks, links, volumes): headings of a table; namespace, type and owner of yaml and json, with the types of values that both show. */
export function comparableShape(answer: Answer | Recording): { readonly exitCode: number | null; readonly stderr: string; readonly heading: string; readonly resources: ReadonlyMap<string, unknown> } {
  const stdout = answer.stdout ?? '';
  const table = stdout.startsWith('NODE');
  const documents = table ? [] : stdout.trimStart().startsWith('{') ? stdout.trim().split(/\n(?=\{)/).map((one) => JSON.parse(one) as unknown) : parseAllDocuments(stdout).map((one) => one.toJS() as unknown);
  const resources = new Map<string, unknown>();
  for (const one of documents as { metadata: { namespace: string; type: string; owner: string }; spec: { type?: string } }[]) {
    if (one?.metadata) resources.set(`${one.metadata.namespace} ${one.metadata.type} ${one.metadata.owner} ${typeof one.spec === 'object' && one.spec ? one.spec.type ?? '' : ''}`, shapeOf(one.spec));
  }
  return { exitCode: answer.exitCode, stderr: normal(answer.stderr ?? ''), heading: table ? normal(stdout.split('\n')[0]!) : '', resources };
}
