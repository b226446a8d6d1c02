/** The set of secrets known to this run and the one way to take them out of a text (tenet 4). */
export type Mask = {
  /** Registers a secret; each of its lines of 6 characters or more is hidden too, and its base64 form. */
  add(secret: string): void;
  /** The text with every registered secret replaced by `•••`. */
  hide(text: string): string;
};

const SHORTEST = 6;
const SHAPES = /AGE-SECRET-KEY-1[A-Z0-9]+|-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----[\s\S]*?(-----END [A-Z0-9 ]*PRIVATE KEY-----|$)/g;

/** A new, empty mask. Private keys and age identities are hidden by their shape even when nobody registered them. */
export function createMask(): Mask {
  const known = new Set<string>();
  let ordered: readonly string[] = [];
  return {
    add(secret) {
      const before = known.size;
      for (const part of [secret, ...secret.split('\n')]) {
        const text = part.trim();
        if (text.length < SHORTEST) continue;
        known.add(text);
        known.add(Buffer.from(text).toString('base64'));
      }
      if (known.size !== before) ordered = [...known].sort((a, b) => b.length - a.length);
    },
    hide(text) {
      let clean = text.replace(SHAPES, '•••');
      for (const secret of ordered) if (clean.includes(secret)) clean = clean.replaceAll(secret, '•••');
      return clean;
    },
  };
}
