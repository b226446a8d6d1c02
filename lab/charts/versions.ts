import { gt, lt, maxSatisfying, minVersion, validRange } from 'semver';

/**
 * A version constraint of Helm (github.com/Masterminds/semver) in the words of npm's semver: a comma is an "and", no constraint is
 * any, and a pre-release anywhere in it lets pre-releases in. Undefined where it is none. `!=` is not known.
 */
function rangeOf(constraint: string | undefined): { readonly range: string; readonly includePrerelease: boolean } | undefined {
  const text = (constraint === undefined || constraint === '' ? '*' : constraint).replace(/,\s*/g, ' ');
  const range = validRange(text);
  return range === null ? undefined : { range: text, includePrerelease: /\d-\w/.test(text) };
}

/** Is this a version constraint? */
export function isConstraint(constraint: string | undefined): boolean {
  return rangeOf(constraint) !== undefined;
}

/** Of the versions the exact one, or else the newest that fits; undefined where none does. */
export function chooseVersion(versions: readonly string[], constraint: string | undefined): string | undefined {
  const exact = versions.find((version) => version === constraint);
  const wanted = rangeOf(constraint);
  if (exact !== undefined || wanted === undefined) return exact;
  return maxSatisfying([...versions], wanted.range, { includePrerelease: wanted.includePrerelease }) ?? undefined;
}

/** Some version that a constraint allows, where no list of versions is known: the lowest, or 0.1.0 where all are allowed. */
export function anyVersion(constraint: string | undefined): string | undefined {
  const wanted = rangeOf(constraint);
  if (wanted === undefined) return undefined;
  const lowest = minVersion(wanted.range)?.version.replace(/-0$/, '');
  return lowest === '0.0.0' ? '0.1.0' : lowest;
}

/** Is the version above or below all of these? */
export function isOutside(version: string, seen: readonly string[]): boolean {
  return [gt, lt].some((beyond) => seen.every((each) => beyond(version, each)));
}
