import type { Keys } from '../../lib/sops-change.ts';

const PART = /\.?"((?:[^"\\]|\\.)*)"|\[(\d+)\]|\.?([^."[\]]+)/y;

/**
 * Reads the way to a value as it is written: dots between names, a name with a dot in double quotes, places in lists in brackets
 * (`registries."docker.io".users[0].password`). Undefined where it is none.
 */
export function readKeyPath(text: string): Keys | undefined {
  if (text === '' || text.startsWith('.') || text.startsWith('[')) return undefined;
  const keys: (string | number)[] = [];
  PART.lastIndex = 0;
  while (PART.lastIndex < text.length) {
    const at = PART.lastIndex;
    const found = PART.exec(text);
    // Names are parted by a dot, and only the first one has none before it.
    if (!found || (found[2] === undefined && (at > 0) !== found[0].startsWith('.'))) return undefined;
    keys.push(found[2] !== undefined ? Number(found[2]) : found[3] ?? unquoted(found[1] ?? ''));
  }
  return keys;
}

/** Writes it as `readKeyPath` reads it. */
export function writeKeyPath(keys: Keys): string {
  return keys.map((key, index) => (typeof key === 'number' ? `[${key}]` : `${index === 0 ? '' : '.'}${/^[^."[\]]+$/.test(key) ? key : JSON.stringify(key)}`)).join('');
}

function unquoted(text: string): string {
  return text.replace(/\\(.)/g, '$1');
}
