import { grouped } from './chart.ts';
import type { ObjectDifference, RehearsalRecord } from './types.ts';

/** One kind over all its namespaces; `wrong` counts the differences that the scenario does not allow. */
export type KindRow = {
  readonly kind: string; readonly namespaces: readonly string[];
  readonly before: number; readonly after: number;
  readonly lost: number; readonly added: number; readonly changed: number; readonly wrong: number;
};

/** The objects by kind: kinds with differences that are not allowed first, then those with any, then by name. */
export function byKind(record: RehearsalRecord): readonly KindRow[] {
  const count = (kind: string, fits: (difference: ObjectDifference) => boolean): number => record.differences.filter((difference) => difference.kind === kind && fits(difference)).length;
  const rows = grouped(record.objects, (row) => row.kind).map(([kind, of]): KindRow => ({
    kind,
    namespaces: of.map((row) => row.namespace).filter((name) => name !== ''),
    before: of.reduce((sum, row) => sum + row.before, 0),
    after: of.reduce((sum, row) => sum + row.after, 0),
    lost: count(kind, ({ change }) => change === 'lost'),
    added: count(kind, ({ change }) => change === 'new'),
    changed: count(kind, ({ change }) => change === 'changed'),
    wrong: count(kind, ({ allowed }) => !allowed),
  }));
  const weight = (row: KindRow): number => (row.wrong > 0 ? 0 : row.lost + row.added + row.changed > 0 ? 1 : 2);
  return rows.toSorted((one, other) => weight(one) - weight(other) || (one.kind < other.kind ? -1 : 1));
}

/** How many objects there were, how many of them are there again, and how many differences the scenario does not allow. */
export function objectTotals(record: RehearsalRecord): { readonly before: number; readonly after: number; readonly back: number; readonly changed: number; readonly wrong: number } {
  const before = record.objects.reduce((sum, row) => sum + row.before, 0);
  const of = (change: ObjectDifference['change']): number => record.differences.filter((difference) => difference.change === change).length;
  return {
    before, after: record.objects.reduce((sum, row) => sum + row.after, 0), back: before - of('lost'), changed: of('changed'),
    wrong: record.differences.filter((difference) => !difference.allowed).length,
  };
}

/** `−3 lost, +1 new, 2 changed`, or `same`. */
export function differenceWords(row: Pick<KindRow, 'lost' | 'added' | 'changed'>): string {
  const words = [row.lost > 0 && `−${row.lost} lost`, row.added > 0 && `+${row.added} new`, row.changed > 0 && `${row.changed} changed`].filter(Boolean);
  return words.length === 0 ? 'same' : words.join(', ');
}
