import { isMap, parseDocument, type Document } from 'yaml';
import { problem } from './errors.ts';
import { readIfThere, writeWhole } from './files.ts';
import { inTurn } from './turns.ts';

/** What is pinned of one disk image at its first download: the compressed file and what it decodes to. Hashes are SHA-256 in hex. */
export type ImagePin = {
  readonly compressedSha256: string;
  readonly compressedBytes: number;
  readonly rawSha256: string;
  readonly rawBytes: number;
};

/** What firstlight reads of `firstlight.lock.yaml`. Images are named `<schematic id>/v<version>/<file>`; `flux` is the version that the cluster was bootstrapped with (`v2.9.5`). */
export type LockFile = {
  readonly schematic?: string; readonly images: Readonly<Record<string, ImagePin>>; readonly etcd?: EtcdRecord; readonly nas?: NasPin; readonly flux?: string;
  readonly rebuild?: RebuildRecord; readonly restore?: RestoreRecord; readonly backup?: BackupPin;
  /** Nonce of the card that each rebuilt node runs from, by node name: an older card of that node is kept out. */
  readonly cards: Readonly<Record<string, string>>;
  /** When the rebuild began that each of these cards is from (ISO 8601), by node name. */
  readonly cardsSince?: Readonly<Record<string, string>>;
};

/** The one bootstrap of etcd: of which node it was intended, and whether members were seen afterwards. */
export type EtcdRecord = { readonly node: string; readonly finished?: boolean };

/** The public half of the key that signs this cluster's backups (32 bytes in base64url), as made at the first one. */
export type BackupPin = { readonly signer: string };

/** SHA-256 of DSM's certificate in hex, as its owner accepted it. */
export type NasPin = { readonly certificate: string };

/**
 * A rebuild that is under way (gone when it has ended): what was decided at its start, before anything was touched, and can't be seen
 * afterwards. `way` is the road it takes, `since` ISO 8601, `nonce` that of the card written for it, `written` that the card was proven
 * (it may be in a board that does not answer yet), `member` the hex id of the dead etcd member, `labels` and `taints` what was put on
 * the Node by hand, `lost` what was found lost (sentences for people), `recover` where the etcd of an only control plane comes from.
 */
export type RebuildRecord = {
  readonly node: string;
  readonly way: 'worker' | 'member' | 'only';
  readonly since: string;
  readonly nonce: string;
  readonly written?: boolean;
  readonly member?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly taints?: readonly string[];
  readonly lost?: readonly string[];
  readonly recover?: RecoverySource;
};

/** Where lost etcd data comes back from: what was taken from a snapshot, from a raw copy of the database, or nowhere. `file` is the absolute path of the encrypted copy that was kept for it, `sha256` that of what is in it. */
export type RecoverySource = { readonly from: 'snapshot' | 'copy'; readonly file: string; readonly sha256: string } | { readonly from: 'nothing' };

/** A part of a cluster that a restore brings back: etcd with all nodes that are lost, the NAS's configuration, the repository at the git host, the cluster's age key. */
export type RestorePart = 'etcd' | 'nas' | 'git' | 'key';

/**
 * A restore that is under way (gone when it has ended): what was decided at its start and can't be seen afterwards. `archive` is its file's
 * name, `sha256` its digest; `at` (ISO 8601) and `revision` are those of its snapshot; `cards` the nonce of the new card by node,
 * `written` the nodes whose card was proven; `reset` the control planes whose old etcd is still to be wiped; `recover` where etcd comes from.
 */
export type RestoreRecord = {
  readonly since: string;
  readonly archive: string;
  readonly sha256: string;
  readonly at: string;
  readonly revision: number;
  readonly parts: readonly RestorePart[];
  readonly cards: Readonly<Record<string, string>>;
  readonly written?: readonly string[];
  readonly reset?: readonly string[];
  readonly recover?: RecoverySource;
  readonly lost?: readonly string[];
};

/** Pins to set; those not named stay, those that are null go. A card of the rebuild that is under way has its date from there. */
export type LockChange = {
  readonly schematic?: string; readonly images?: Readonly<Record<string, ImagePin>>; readonly etcd?: EtcdRecord | null; readonly nas?: NasPin; readonly flux?: string;
  readonly rebuild?: RebuildRecord | null; readonly cards?: Readonly<Record<string, string>>; readonly cardsSince?: Readonly<Record<string, string>>;
  readonly backup?: BackupPin; readonly restore?: RestoreRecord | null;
};

const HEADING = ' What firstlight pinned at first use, refused on change. Commit it; remove an entry to accept a new one.';

/** The pins in a lock file; none where there is no file. Throws `E_LOCK` with its place where it is not YAML or holds other things there. */
export async function readLock(path: string): Promise<LockFile> {
  const document = await load(path);
  const { schematic, images = {}, etcd, nas, flux, rebuild, restore, cards = {}, cardsSince, backup } = (document.toJS() ?? {}) as Record<keyof LockFile, unknown>;
  if (schematic !== undefined && !isHash(schematic)) throw wrong(path, 'schematic is not 64 hex digits');
  if (typeof images !== 'object' || images === null) throw wrong(path, 'images is not a mapping');
  const odd = Object.entries(images).find(([, pin]) => !isPin(pin));
  if (odd) throw wrong(path, `images["${odd[0]}"] is not a whole pin`);
  if (etcd !== undefined && typeof (etcd as EtcdRecord | null)?.node !== 'string') throw wrong(path, 'etcd names no node');
  if (nas !== undefined && !isHash((nas as NasPin | null)?.certificate)) throw wrong(path, 'nas.certificate is not 64 hex digits');
  if (flux !== undefined && !(typeof flux === 'string' && /^v\d+\.\d+\.\d+/.test(flux))) throw wrong(path, 'flux is not a version');
  if (rebuild !== undefined && !isRebuild(rebuild)) throw wrong(path, 'rebuild is not a whole record');
  if (restore !== undefined && !isRestore(restore)) throw wrong(path, 'restore is not a whole record');
  if (!isTexts(cards)) throw wrong(path, 'cards is not a mapping of nodes to nonces');
  if (cardsSince !== undefined && !isTexts(cardsSince)) throw wrong(path, 'cardsSince is not a mapping of nodes to dates');
  if (backup !== undefined && !/^[\w-]{43}$/.test(String((backup as BackupPin | null)?.signer))) throw wrong(path, 'backup.signer is not the public half of a signing key');
  return {
    cards,
    ...(cardsSince === undefined ? {} : { cardsSince }),
    ...(rebuild === undefined ? {} : { rebuild }),
    ...(restore === undefined ? {} : { restore }),
    ...(schematic === undefined ? {} : { schematic }), images: images as Record<string, ImagePin>,
    ...(etcd === undefined ? {} : { etcd: etcd as EtcdRecord }),
    ...(nas === undefined ? {} : { nas: nas as NasPin }),
    ...(flux === undefined ? {} : { flux }),
    ...(backup === undefined ? {} : { backup: backup as BackupPin }),
  };
}

const turns = new Map<string, Promise<void>>();

/**
 * Sets pins in a lock file, in place: comments, order and all other keys stay; made when missing. Steps that run side by side, and
 * other firstlights, change it one after another. Throws `E_LOCK` as `readLock`.
 */
export async function updateLock(path: string, change: LockChange): Promise<void> {
  const turn = (turns.get(path) ?? Promise.resolve()).then(() => inTurn(path, () => writeChange(path, change)));
  turns.set(path, turn.catch(() => {}));
  await turn;
}

async function writeChange(path: string, change: LockChange): Promise<void> {
  const document = await load(path);
  const before = String(document);
  const underWay = (document.toJS() as { readonly rebuild?: Partial<RebuildRecord> | null }).rebuild;
  if (change.schematic !== undefined) document.setIn(['schematic'], change.schematic);
  for (const [name, pin] of Object.entries(change.images ?? {})) {
    for (const [key, value] of Object.entries(pin)) document.setIn(['images', name, key], value);
  }
  if (change.etcd === null) document.deleteIn(['etcd']);
  for (const [key, value] of Object.entries(change.etcd ?? {})) document.setIn(['etcd', key], value);
  if (change.rebuild === null) document.deleteIn(['rebuild']);
  else if (change.rebuild) document.setIn(['rebuild'], document.createNode(change.rebuild));
  if (change.restore === null) document.deleteIn(['restore']);
  else if (change.restore) document.setIn(['restore'], document.createNode(change.restore));
  for (const [node, nonce] of Object.entries(change.cards ?? {})) {
    const since = change.cardsSince?.[node] ?? (underWay?.node === node ? underWay.since : undefined);
    document.setIn(['cards', node], nonce);
    if (since !== undefined) document.setIn(['cardsSince', node], since);
  }
  if (change.nas) document.setIn(['nas', 'certificate'], change.nas.certificate);
  if (change.flux !== undefined) document.setIn(['flux'], change.flux);
  if (change.backup) document.setIn(['backup', 'signer'], change.backup.signer);
  const after = String(document);
  if (after !== before) await writeWhole(path, after);
}

async function load(path: string): Promise<Document> {
  const text = await readIfThere(path);
  const document = parseDocument(text ?? '');
  const [error] = document.errors;
  if (error) throw wrong(path, error.message.split('\n')[0] ?? 'not YAML', error.linePos?.[0]);
  if (document.contents === null) {
    document.contents = document.createNode({}) as never;
    if (text === undefined) document.commentBefore = HEADING;
  }
  if (!isMap(document.contents)) throw wrong(path, 'not a mapping');
  return document;
}

function isHash(value: unknown): value is string {
  return typeof value === 'string' && /^[0-9a-f]{64}$/.test(value);
}

function isTexts(value: unknown): value is Record<string, string> {
  return typeof value === 'object' && value !== null && Object.values(value).every((each) => typeof each === 'string');
}

function isPin(value: unknown): value is ImagePin {
  if (typeof value !== 'object' || value === null) return false;
  const pin = value as Record<string, unknown>;
  return isHash(pin['compressedSha256']) && isHash(pin['rawSha256'])
    && Number.isSafeInteger(pin['compressedBytes']) && Number.isSafeInteger(pin['rawBytes']);
}

function isRebuild(value: unknown): value is RebuildRecord {
  if (typeof value !== 'object' || value === null) return false;
  const record = value as Record<string, unknown>;
  return ['node', 'since', 'nonce'].every((key) => typeof record[key] === 'string') && ['worker', 'member', 'only'].includes(record['way'] as string);
}

function isRestore(value: unknown): value is RestoreRecord {
  if (typeof value !== 'object' || value === null) return false;
  const { revision, parts, cards, ...record } = value as Record<string, unknown>;
  return ['since', 'archive', 'sha256', 'at'].every((key) => typeof record[key] === 'string') && Number.isSafeInteger(revision) && Array.isArray(parts) && isTexts(cards);
}

function wrong(file: string, what: string, at?: { line: number; col: number }): Error {
  const hint = 'Restore the file from git; firstlight writes it itself.';
  return problem('E_LOCK', `the lock file cannot be read: ${what}`, hint, { where: { file, ...(at ? { line: at.line, col: at.col } : {}) } });
}
