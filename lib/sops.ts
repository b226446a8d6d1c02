import { parseAllDocuments, visit } from 'yaml';
import { problem } from './errors.ts';
import { readIfThere } from './files.ts';
import type { Host } from './host.ts';

/** What to encrypt. `path` is the name written into messages and decides nothing: `.sops.yaml` files are not read. */
export type Plain = {
  /** YAML text; never touches a disk. */
  readonly plain: string;
  readonly path: string;
  /** age recipients (`age1…`), at least two different ones. */
  readonly recipients: readonly string[];
  /** Only values under keys that match are encrypted (`^(data|stringData)$` for Secrets); all values unless told. */
  readonly encryptedRegex?: string;
};

const DEADLINE_MS = 30_000;

/**
 * Encrypts YAML with the real `sops` for age recipients and gives the encrypted YAML text. The plain text goes in by
 * stdin. A `.sops.yaml` near the file is deliberately not consulted: its `encrypted_regex` would silently leave values
 * plain. Throws `E_RECIPIENTS` for fewer than two recipients, `E_SOPS_PLAIN` when a value stayed plain, `E_SOPS_ENCRYPT`.
 */
export async function sopsEncrypt(host: Pick<Host, 'run'>, input: Plain): Promise<string> {
  const recipients = [...new Set(input.recipients)];
  if (recipients.length < 2) {
    throw problem('E_RECIPIENTS', `${input.path} would be encrypted for ${recipients.length} recipient, so one lost key loses it`,
      'Name at least two different age recipients (the cluster’s and your own, or an offline one) under secrets.recipients.', { where: { file: input.path } });
  }
  const rules = input.encryptedRegex === undefined ? [] : ['--encrypted-regex', input.encryptedRegex];
  const types = ['--input-type', 'yaml', '--output-type', 'yaml'];
  const done = await host.run({
    program: 'sops',
    args: ['--config', '/dev/null', 'encrypt', '--filename-override', input.path, ...types, '--age', recipients.join(','), ...rules],
    stdin: input.plain, timeoutMs: DEADLINE_MS, accept: 'any',
  });
  if (done.exitCode !== 0) {
    throw problem('E_SOPS_ENCRYPT', `sops could not encrypt ${input.path}: ${tail(done.stderr)}`,
      'See that every recipient is a whole age public key (age1…) and the content is YAML.', { where: { file: input.path } });
  }
  if (input.encryptedRegex === undefined) requireNothingPlain(done.stdout, input.path);
  return done.stdout;
}

/**
 * Decrypts a YAML or JSON file with the real `sops` and gives its plain text as YAML. The age identity is found through the environment
 * that the caller gave the host (`SOPS_AGE_KEY_FILE`). Nothing is registered with the mask: the caller knows what is secret.
 * Throws `E_SOPS_MISSING`, `E_SOPS_PLAIN` (not encrypted), `E_SOPS_KEY` (no identity fits), `E_SOPS_CHANGED` (altered), `E_SOPS`.
 */
export async function sopsDecrypt(host: Pick<Host, 'run'>, path: string): Promise<string> {
  const done = await host.run({
    program: 'sops', args: ['decrypt', ...sopsTypes(path, 'yaml'), path], timeoutMs: DEADLINE_MS, accept: 'any',
  });
  if (done.exitCode === 0) return done.stdout;
  throw sopsProblem(path, done.stderr);
}

/** The age recipients a sops file is encrypted for, in the file's order. Throws `E_SOPS_MISSING` or `E_SOPS_PLAIN`. */
export async function recipientsOf(path: string): Promise<readonly string[]> {
  const text = await readIfThere(path);
  if (text === undefined) throw sopsProblem(path, 'non-existent file');
  const found = recipientsIn(text);
  if (found === undefined) throw sopsProblem(path, 'sops metadata not found');
  return found;
}

/**
 * The age recipients in a sops text (YAML or JSON, of one document or several, which share one data key), in key groups too; none
 * where other kinds of keys alone open it. Undefined where it is not one: no sops section, or not YAML.
 */
export function recipientsIn(text: string): readonly string[] | undefined {
  const [first] = parseAllDocuments(text);
  if (!first || first.errors.length > 0) return undefined;
  const sops: unknown = (first.toJS() as { sops?: unknown } | null)?.sops;
  if (typeof sops !== 'object' || sops === null) return undefined;
  const groups: unknown = (sops as { key_groups?: unknown }).key_groups;
  const holders = [sops, ...(Array.isArray(groups) ? groups as unknown[] : [])] as Readonly<Record<string, unknown>>[];
  if (!holders.some((holder) => KEY_KINDS.some((kind) => Array.isArray(holder[kind]) && (kind === 'age' || holder[kind].length > 0)))) return undefined;
  return holders.flatMap((holder) => (Array.isArray(holder['age']) ? holder['age'] : [])).flatMap((entry: unknown) => {
    const recipient = (entry as { recipient?: unknown } | null)?.recipient;
    return typeof recipient === 'string' ? [recipient] : [];
  });
}

/** Where a sops section keeps its copies of the data key (getsops/sops: stores/stores.go). */
const KEY_KINDS = ['age', 'pgp', 'kms', 'gcp_kms', 'azure_kv', 'hc_vault', 'hckms'] as const;

/** How sops is to take a file and give it back: as what its name says, JSON or else YAML. */
export function sopsTypes(path: string, output = typeOf(path)): readonly string[] {
  return ['--input-type', typeOf(path), '--output-type', output];
}

function typeOf(path: string): string {
  return path.endsWith('.json') ? 'json' : 'yaml';
}

function requireNothingPlain(text: string, path: string): void {
  for (const document of parseAllDocuments(text)) {
    visit(document, {
      Pair(_, pair) {
        return String(pair.key) === 'sops' ? visit.SKIP : undefined;
      },
      Scalar(key, node) {
        const empty = node.value === null || node.value === '';
        if (key === 'key' || empty || String(node.value).startsWith('ENC[')) return;
        throw problem('E_SOPS_PLAIN', `sops left a value of ${path} unencrypted`,
          'A key that ends in _unencrypted is left plain by sops: rename it.', { where: { file: path } });
      },
    });
  }
}

/** What sops said on standard error, as one of the `E_SOPS_…` errors. */
export function sopsProblem(path: string, stderr: string): Error {
  const where = { where: { file: path } };
  if (/non-existent file/.test(stderr)) {
    return problem('E_SOPS_MISSING', `${path} is not there`, 'Make it first, or restore it from the repository’s history.', where);
  }
  if (/sops metadata not found/.test(stderr)) {
    return problem('E_SOPS_PLAIN', `${path} is not encrypted by sops`,
      'Never commit it like this. Encrypt it with `sops encrypt -i`, and take what it holds as known to others if it was ever pushed.', where);
  }
  if (/message authentication failed|MAC mismatch/.test(stderr)) {
    return problem('E_SOPS_CHANGED', `${path} was changed after it was encrypted`,
      'Restore the last good version from the repository’s history; edit it only with `sops edit`.', where);
  }
  if (/failed to open SOPS_AGE_KEY_FILE/.test(stderr)) {
    return problem('E_SOPS_KEY', `the age key file that should open ${path} can't be read`,
      'Set SOPS_AGE_KEY_FILE to the file with your age identity (AGE-SECRET-KEY-1…).', where);
  }
  if (/failed to get the data key|no master key was able|failed to load age identities/i.test(stderr)) {
    return problem('E_SOPS_KEY', `no age identity at hand opens ${path}`,
      'Set SOPS_AGE_KEY_FILE to the file with an identity of one of its recipients.', where);
  }
  return problem('E_SOPS', `sops failed on ${path}: ${tail(stderr)}`, 'See sops’s own words above.', where);
}

function tail(text: string): string {
  return text.trim().split('\n').slice(-3).map((line) => line.trim()).join(' | ').slice(-500) || 'no output';
}
