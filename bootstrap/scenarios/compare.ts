import type { ObjectDifference, ObjectRow } from '../report/types.ts';
import type { SeenObject } from './state.ts';
import type { Allowance } from './types.ts';

/** Objects that every new Kubernetes, node or controller makes anew for itself: another content of theirs, or a further one, says nothing. */
const ANEW: readonly Allowance[] = [
  { kind: 'Node', why: 'a board says of itself what it is' },
  { kind: 'ConfigMap', namespace: 'kube-system', name: 'firstlight-recovery', why: 'the recovery notes itself there' },
  { kind: 'ConfigMap', namespace: 'kube-system', name: 'extension-apiserver-authentication', why: 'the API server writes its own' },
];

/** Counts by kind and namespace before and after. */
export function objectRows(before: readonly SeenObject[], after: readonly SeenObject[]): readonly ObjectRow[] {
  const rows = new Map<string, { kind: string; namespace: string; before: number; after: number }>();
  for (const [side, objects] of [['before', before], ['after', after]] as const) {
    for (const { kind, namespace } of objects) {
      const key = `${kind} ${namespace}`;
      const row = rows.get(key) ?? { kind, namespace, before: 0, after: 0 };
      row[side] += 1;
      rows.set(key, row);
    }
  }
  return [...rows.values()].toSorted((one, other) => one.kind.localeCompare(other.kind) || one.namespace.localeCompare(other.namespace));
}

/** Every object that is not as it was, by name; `allowed` are the scenario's, and `late` what was made after the backup (names as `idOf`). */
export function differencesOf(before: readonly SeenObject[], after: readonly SeenObject[], allowed: readonly Allowance[], late: ReadonlySet<string>): readonly ObjectDifference[] {
  const then = new Map(before.map((object) => [idOf(object), object]));
  const now = new Map(after.map((object) => [idOf(object), object]));
  const told = (object: SeenObject, change: ObjectDifference['change']): ObjectDifference => {
    const rule = late.has(idOf(object)) && change !== 'new' ? { why: 'it was made or changed after the backup' } : [...allowed, ...(change === 'lost' ? [] : ANEW)].find((each) => matches(each, object));
    return { kind: object.kind, namespace: object.namespace, name: object.name, change, allowed: rule !== undefined || change === 'new', why: rule?.why ?? (change === 'new' ? 'nothing is lost by it' : '') };
  };
  return [
    ...before.flatMap((object) => {
      const other = now.get(idOf(object));
      return other === undefined ? [told(object, 'lost')] : object.digest !== other.digest ? [told(object, 'changed')] : [];
    }),
    ...after.filter((object) => !then.has(idOf(object))).map((object) => told(object, 'new')),
  ];
}

/** What tells an object from all others. */
export function idOf({ kind, namespace, name }: Pick<SeenObject, 'kind' | 'namespace' | 'name'>): string {
  return `${kind} ${namespace}/${name}`;
}

function matches({ kind, namespace, name }: Allowance, object: SeenObject): boolean {
  return (kind === undefined || kind === object.kind) && (namespace === undefined || namespace === object.namespace) && (name === undefined || name === object.name);
}
