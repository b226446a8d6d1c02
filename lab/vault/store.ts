import { randomBytes } from 'node:crypto';

/** One version of a secret; times in seconds since 1970, as the API tells them. */
export type SecretVersion = {
  readonly version: string;
  readonly value: string;
  enabled: boolean;
  readonly created: number;
  updated: number;
  exp?: number;
  nbf?: number;
  contentType?: string;
  tags?: Record<string, string>;
};

/** A secret with its versions, the oldest first; `deleted` while it is in the state of soft deletion. */
export type StoredSecret = { readonly name: string; readonly versions: SecretVersion[]; deleted?: { readonly at: number; readonly purgeAt: number } };

/** Days for which a deleted secret can be recovered: Azure's default. */
export const RECOVERABLE_DAYS = 90;

/** An error as the vault answers it: status, `error.code`, `error.message`, `error.innererror.code` (Azure Key Vault REST API, Common HTTP status codes). */
export class VaultRefusal extends Error {
  readonly status: number;
  readonly code: string;
  readonly inner: string | undefined;
  readonly headers: Readonly<Record<string, string>>;
  constructor(status: number, code: string, message: string, extra: { readonly inner?: string; readonly headers?: Readonly<Record<string, string>> } = {}) {
    super(message);
    this.status = status;
    this.code = code;
    this.inner = extra.inner;
    this.headers = extra.headers ?? {};
  }
}

/** What a client may say of a new or changed version. */
export type SecretBody = { readonly value?: unknown; readonly contentType?: string; readonly tags?: Record<string, string>; readonly attributes?: { readonly enabled?: boolean; readonly exp?: number; readonly nbf?: number } };

/** The secrets of one vault, in memory. Names are the same in small and big letters. Its calls throw VaultRefusal. */
export type VaultStore = {
  /** A new version, the current one from then on. */
  set(name: string, body: SecretBody): { readonly name: string; readonly version: SecretVersion };
  /** The newest version, or a certain one; one that is disabled is refused. */
  get(name: string, version?: string): { readonly name: string; readonly version: SecretVersion };
  update(name: string, version: string, body: SecretBody): { readonly name: string; readonly version: SecretVersion };
  live(): readonly StoredSecret[];
  find(name: string): StoredSecret;
  remove(name: string): StoredSecret;
  deleted(): readonly StoredSecret[];
  findDeleted(name: string): StoredSecret;
  recover(name: string): StoredSecret;
  purge(name: string): void;
};

/** Makes an empty vault; `now` gives milliseconds since 1970. */
export function createVaultStore(now: () => number = Date.now): VaultStore {
  const all = new Map<string, StoredSecret>();
  const seconds = (): number => Math.floor(now() / 1000);
  const at = (name: string): StoredSecret | undefined => all.get(name.toLowerCase());
  const find = (name: string, version?: string): StoredSecret => {
    const secret = at(name);
    if (secret && !secret.deleted && (version === undefined || secret.versions.some((each) => each.version === version))) return secret;
    throw new VaultRefusal(404, 'SecretNotFound', `A secret with (name/id) ${name}${version === undefined ? '' : `/${version}`} was not found in this key vault. If you recently deleted this secret you may be able to recover it using the correct recovery command. For help resolving this issue, please see https://go.microsoft.com/fwlink/?linkid=2125182`);
  };
  const findDeleted = (name: string): StoredSecret => {
    const secret = at(name);
    if (secret?.deleted) return secret;
    throw new VaultRefusal(404, 'SecretNotFound', `Deleted Secret not found: ${name}`);
  };
  return {
    find: (name) => find(name),
    findDeleted,
    live: () => [...all.values()].filter((secret) => !secret.deleted).sort((a, b) => a.name.localeCompare(b.name)),
    deleted: () => [...all.values()].filter((secret) => secret.deleted).sort((a, b) => a.name.localeCompare(b.name)),
    set(name, body) {
      if (!/^[0-9a-zA-Z-]{1,127}$/.test(name)) throw new VaultRefusal(400, 'BadParameter', `The request URI contains an invalid name: ${name}`);
      if (typeof body.value !== 'string') throw new VaultRefusal(400, 'BadParameter', 'Property  has invalid value\r\n');
      if (Buffer.byteLength(body.value) > 25 * 1024) throw new VaultRefusal(400, 'BadParameter', 'The secret value is too long: at most 25k bytes.');
      const known = at(name);
      if (known?.deleted) {
        throw new VaultRefusal(409, 'Conflict', `Secret ${name} is currently in a deleted but recoverable state, and its name cannot be reused; in this state, the secret can only be recovered or purged.`, { inner: 'ObjectIsDeletedButRecoverable' });
      }
      const secret = known ?? { name, versions: [] };
      const version: SecretVersion = { version: randomBytes(16).toString('hex'), value: body.value, enabled: true, created: seconds(), updated: seconds() };
      change(version, body);
      secret.versions.push(version);
      all.set(name.toLowerCase(), secret);
      return { name: secret.name, version };
    },
    get(name, wanted) {
      const secret = find(name, wanted);
      const version = wanted === undefined ? secret.versions.at(-1)! : secret.versions.find((each) => each.version === wanted)!;
      if (!version.enabled) throw new VaultRefusal(403, 'Forbidden', 'Operation get is not allowed on a disabled secret.', { inner: 'SecretDisabled' });
      return { name: secret.name, version };
    },
    update(name, wanted, body) {
      const secret = find(name, wanted);
      const version = secret.versions.find((each) => each.version === wanted)!;
      change(version, body);
      version.updated = seconds();
      return { name: secret.name, version };
    },
    remove(name) {
      const secret = find(name);
      secret.deleted = { at: seconds(), purgeAt: seconds() + RECOVERABLE_DAYS * 86_400 };
      return secret;
    },
    recover(name) {
      const secret = findDeleted(name);
      delete secret.deleted;
      return secret;
    },
    purge: (name) => { all.delete(findDeleted(name).name.toLowerCase()); },
  };
}

function change(version: SecretVersion, { attributes, contentType, tags }: SecretBody): void {
  if (attributes?.enabled !== undefined) version.enabled = attributes.enabled;
  if (attributes?.exp !== undefined) version.exp = attributes.exp;
  if (attributes?.nbf !== undefined) version.nbf = attributes.nbf;
  if (contentType !== undefined) version.contentType = contentType;
  if (tags !== undefined) version.tags = tags;
}
