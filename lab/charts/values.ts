import { parse, stringify } from 'yaml';
import { withFile, type Chart } from './chart.ts';

/**
 * The chart with the named values files merged, later over earlier, as its values.yaml. `read` gives a file, or undefined where
 * there is none. Throws for a missing file (unless those are ignored) and for one that is no YAML.
 */
export async function overlayValues(
  chart: Chart, files: readonly string[], read: (path: string) => Promise<Buffer | undefined>, ignoreMissing: boolean,
): Promise<Chart> {
  let merged: unknown = {};
  for (const path of files) {
    const text = await read(path);
    if (text === undefined && ignoreMissing) continue;
    if (text === undefined) throw new Error(`no values file found at path '${path}'`);
    try {
      merged = mergeValues(merged, parse(text.toString()) ?? {});
    } catch (error) {
      throw new Error(`unmarshaling values from '${path}' failed: ${(error as Error).message}`);
    }
  }
  return withFile(chart, 'values.yaml', stringify(merged));
}

/** Two trees of Helm values, the second before the first: maps are merged, all else is replaced. */
export function mergeValues(under: unknown, over: unknown): unknown {
  if (!isMap(under) || !isMap(over)) return over;
  const merged: Record<string, unknown> = { ...under };
  for (const [key, value] of Object.entries(over)) merged[key] = key in merged ? mergeValues(merged[key], value) : value;
  return merged;
}

function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
