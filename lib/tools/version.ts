/** A version as three numbers; `early` is what follows a dash (`rc.1`), which comes before the same version without. */
export type Version = { readonly numbers: readonly [number, number, number]; readonly early: string };

/** The first `1.2.3` or `v1.2.3-rc.1` in a text (what a program answers to `--version`), or undefined. */
export function findVersion(text: string): Version | undefined {
  const found = /(?<![\w.])v?(\d+)\.(\d+)\.(\d+)(?:-([0-9A-Za-z.-]+))?/.exec(text);
  if (!found) return undefined;
  return { numbers: [Number(found[1]), Number(found[2]), Number(found[3])], early: found[4] ?? '' };
}

/** Less than 0 where `a` comes before `b`, 0 where they are the same, more than 0 otherwise. */
export function compareVersions(a: Version, b: Version): number {
  for (const place of [0, 1, 2] as const) {
    const difference = a.numbers[place] - b.numbers[place];
    if (difference !== 0) return difference;
  }
  if (a.early === b.early) return 0;
  if (a.early === '') return 1;
  if (b.early === '') return -1;
  return a.early < b.early ? -1 : 1;
}

/** True where the version is at least `from` and below `below`; an early one of `below` (`2.0.0-rc.1`) is not. */
export function isCompatible(found: Version, range: { readonly from: string; readonly below: string }): boolean {
  const from = findVersion(range.from);
  const below = findVersion(range.below);
  if (!from || !below) return false;
  return compareVersions(found, from) >= 0 && compareVersions({ ...found, early: '' }, below) < 0;
}
