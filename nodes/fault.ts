import type { ClusterFile } from './schema.ts';

/** The way to a value in the file: keys and list positions from the top. */
export type Path = readonly (string | number)[];

/** One mistake before it has a place in the file. `at` says whether the key or the value is to blame. */
export type Fault = {
  readonly code: string;
  readonly path: Path;
  readonly at?: 'key' | 'value';
  readonly message: string;
  readonly hint: string;
  /** For an unknown key: the known one it was probably meant to be, which is then not told as missing too. */
  readonly meant?: string;
};

type Partly<T> = T extends readonly (infer Item)[] ? readonly (Partly<Item> | undefined)[]
  : T extends object ? { readonly [Key in keyof T]?: Partly<T[Key]> | undefined }
  : T;

/** What of the file has the right form; everything else is undefined, so that rules can judge the rest (all mistakes at once). */
export type Draft = Partly<ClusterFile>;

/** A rule looks at what is well formed and tells what is wrong with it. */
export type Rule = (draft: Draft) => Iterable<Fault>;

/** The faults without those that another one already explains: a required key is not missing where it is only misspelt. */
export function unexplained(faults: readonly Fault[]): Fault[] {
  const meant = new Set(faults.flatMap(({ path, meant: key }) => (key === undefined ? [] : [JSON.stringify([...path.slice(0, -1), key])])));
  return faults.filter(({ code, path }) => code !== 'E_INVENTORY_MISSING' || !meant.has(JSON.stringify(path)));
}

/** The file's data without the values at `paths`; list positions stay what they were. */
export function withoutPaths(data: unknown, paths: readonly Path[]): Draft {
  const copy = structuredClone(data);
  if (typeof copy !== 'object' || copy === null || Array.isArray(copy)) return {};
  for (const path of paths) clear(copy, path);
  return copy as Draft;
}

function clear(top: object, path: Path): void {
  let parent: unknown = top;
  for (const key of path.slice(0, -1)) {
    if (typeof parent !== 'object' || parent === null) return;
    parent = (parent as Record<string | number, unknown>)[key];
  }
  const last = path.at(-1);
  if (last !== undefined && typeof parent === 'object' && parent !== null) {
    (parent as Record<string | number, unknown>)[last] = undefined;
  }
}

/** The items of a list that are well formed, with their positions. */
export function* present<T>(list: readonly (T | undefined)[] | undefined): Iterable<[number, T]> {
  for (const [index, item] of (list ?? []).entries()) {
    if (item !== undefined && item !== null) yield [index, item];
  }
}
