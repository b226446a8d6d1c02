import { Document, parse, stringify, visit } from 'yaml';
import { pack, seconds } from '../wire/messages.ts';
import type { Message } from '../wire/codec.ts';

/** A resource as the machine is now; versions and times are the store's business. */
export type Fact = {
  readonly namespace: string;
  readonly type: string;
  readonly id: string;
  readonly owner: string;
  /** What `spec:` shows; a string is shown as it stands. */
  readonly spec: unknown;
  /** The binary form, where a client reads it. */
  readonly proto?: Uint8Array;
  readonly finalizers?: readonly string[];
};

/** A resource with its history. `at` are milliseconds since 1970. */
export type Stored = Fact & { readonly version: number; readonly created: number; readonly updated: number };

/** What a watch hears; the numbers are cosi.resource.EventType. */
export type Change = { readonly kind: 0 | 1 | 2; readonly resource: Stored; readonly old?: Stored };

/** The resources of one machine. */
export type ResourceStore = {
  /** Looks at the facts again; everything that differs becomes a change. */
  refresh(): void;
  list(namespace: string, type: string): readonly Stored[];
  follow(hear: (change: Change) => void): () => void;
};

function key(fact: Fact): string {
  return `${fact.namespace}|${fact.type}|${fact.id}`;
}

function same(a: Fact, b: Fact): boolean {
  return JSON.stringify([a.spec, a.finalizers]) === JSON.stringify([b.spec, b.finalizers]);
}

/** Makes a store over `facts`, which tells what is true now. */
export function createResourceStore(facts: () => readonly Fact[]): ResourceStore {
  const held = new Map<string, Stored>();
  const followers = new Set<(change: Change) => void>();
  const tell = (change: Change): void => {
    for (const hear of [...followers]) hear(change);
  };
  const refresh = (): void => {
    const now = Date.now();
    const seen = new Set<string>();
    for (const fact of facts()) {
      const name = key(fact);
      seen.add(name);
      const old = held.get(name);
      if (old && same(old, fact)) continue;
      const resource = { ...fact, version: (old?.version ?? 0) + 1, created: old?.created ?? now, updated: now };
      held.set(name, resource);
      tell(old ? { kind: 1, resource, old } : { kind: 0, resource });
    }
    for (const [name, resource] of held) {
      if (seen.has(name)) continue;
      held.delete(name);
      tell({ kind: 2, resource });
    }
  };
  return {
    refresh,
    list: (namespace, type) => {
      refresh();
      return [...held.values()].filter((one) => one.namespace === namespace && one.type === type).sort((a, b) => (a.id < b.id ? -1 : 1));
    },
    follow: (hear) => {
      followers.add(hear);
      return () => void followers.delete(hear);
    },
  };
}

/** A resource as cosi sends it; `yaml_spec` is written as Go's yaml does: four spaces, YAML 1.1 quoting. */
export function resourceMessage(resource: Stored): Message {
  return {
    metadata: {
      namespace: resource.namespace, type: resource.type, id: resource.id, version: String(resource.version), owner: resource.owner, phase: 'running',
      created: seconds(resource.created), updated: seconds(resource.updated), finalizers: resource.finalizers ?? [],
    },
    spec: { proto_spec: resource.proto ?? new Uint8Array(), yaml_spec: specText(resource.spec) },
  };
}

// Go's yaml quotes with ' what would not parse, and with " what would be taken for something else than text.
function specText(spec: unknown): string {
  // A machine config is sent as it stands.
  if (typeof spec === 'string' && spec.includes('\n')) return spec;
  const options = { version: '1.1', indent: 4, lineWidth: 0 } as const;
  const document = new Document(spec, { version: '1.1' });
  visit(document, { Scalar: (_key, node) => {
    if (typeof node.value === 'string' && stringify(node.value, options).startsWith('"')) node.type = isText(node.value) ? 'QUOTE_SINGLE' : 'QUOTE_DOUBLE';
  } });
  return document.toString({ indent: 4, lineWidth: 0 });
}

function isText(value: string): boolean {
  try {
    return value !== '' && !value.includes('\n') && typeof parse(value, { version: '1.1' }) !== 'number' && !['null', 'true', 'false', '~'].includes(value);
  } catch {
    return true;
  }
}

/** The binary form of a resource in a List or Get reply. */
export function resourceReply(resource: Stored): Uint8Array {
  return pack('ResourceResponse', { resource: resourceMessage(resource) });
}
