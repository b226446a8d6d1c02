import type * as z from 'zod';
import type { Fault, Path } from './fault.ts';
import { nearest } from './nearest.ts';
import { clusterFile } from './schema.ts';

type Issue = z.core.$ZodIssue;

const WORDS: Record<string, string> = {
  string: 'text', int: 'a whole number', number: 'a number', boolean: 'true or false', array: 'a list', object: 'a section with keys', record: 'a section with keys',
};

/** Says in the owner's words what zod found; an unknown key becomes one fault each. */
export function faultsOf(issue: Issue, data: unknown): Fault[] {
  const path = issue.path.filter((key): key is string | number => typeof key !== 'symbol');
  const name = described(path);
  switch (issue.code) {
    case 'unrecognized_keys':
      return issue.keys.map((key) => unknownKey(path, key));
    case 'invalid_type':
      return [valueAt(data, path) === undefined
        ? { code: 'E_INVENTORY_MISSING', path, message: `${name} is missing`, hint: `Add ${String(path.at(-1) ?? 'it')}: ${meaning(path)}` }
        : wrongType(path, name, issue.expected, valueAt(data, path))];
    case 'invalid_value': {
      const allowed = issue.values.map(String);
      const got = String(valueAt(data, path));
      const missing = valueAt(data, path) === undefined;
      if (missing) return [{ code: 'E_INVENTORY_MISSING', path, message: `${name} is missing`, hint: `Add ${String(path.at(-1))}: one of ${allowed.join(', ')}.` }];
      const meant = nearest(got, allowed);
      return [{ code: 'E_INVENTORY_VALUE', path, message: `${name} cannot be "${got}"`, hint: `${meant === undefined ? '' : `Did you mean ${meant}? `}Choose one of: ${allowed.join(', ')}.` }];
    }
    case 'too_small':
    case 'too_big': {
      const edge = issue.code === 'too_small' ? `at least ${issue.minimum}` : `at most ${issue.maximum}`;
      return [{ code: 'E_INVENTORY_RANGE', path, message: `${name} must ${issue.origin === 'array' ? 'have' : 'be'} ${edge}${issue.origin === 'array' ? ' item' : ''}`, hint: meaning(path) }];
    }
    case 'custom': {
      const params = (issue.params ?? {}) as { code?: string; hint?: string };
      return [{ code: params.code ?? 'E_INVENTORY_VALUE', path, message: `${name}: ${issue.message}`, hint: params.hint ?? meaning(path) }];
    }
    default:
      return [{ code: 'E_INVENTORY_VALUE', path, message: `${name}: ${issue.message}`, hint: meaning(path) }];
  }
}

function wrongType(path: Path, name: string, expected: string, got: unknown): Fault {
  const quoted = expected === 'string' && (typeof got === 'number' || typeof got === 'boolean');
  const how = got === null ? 'Fill it in, or take the key out. '
    : quoted ? 'Put it in quotes, so that YAML does not read it as a number or as true or false. '
    : expected === 'array' ? 'Begin each item with a hyphen. ' : '';
  return { code: 'E_INVENTORY_TYPE', path, message: `${name} must be ${WORDS[expected] ?? expected}`, hint: `${how}${meaning(path)}` };
}

function unknownKey(path: Path, key: string): Fault {
  const known = keysAt(path);
  const meant = nearest(key, known);
  const secret = /pass|secret|token|credential/i.test(key);
  const hint = meant !== undefined ? `Did you mean ${meant}?`
    : secret ? 'Secrets never stand in cluster.yaml: they are in credentials.sops.yaml, encrypted.'
    : `Known here: ${known.join(', ')}.`;
  const where = path.length === 0 ? '' : ` in ${described(path)}`;
  return { code: 'E_INVENTORY_KEY', path: [...path, key], at: 'key', message: `there is no key "${key}"${where}`, hint, ...(meant === undefined ? {} : { meant }) };
}

/** `nodes[2].mac`, as people write it. */
export function described(path: Path): string {
  if (path.length === 0) return 'the file';
  return path.map((key, i) => (typeof key === 'number' ? `[${key}]` : i === 0 ? key : `.${key}`)).join('');
}

function valueAt(data: unknown, path: Path): unknown {
  let value = data;
  for (const key of path) value = typeof value === 'object' && value !== null ? (value as Record<string | number, unknown>)[key] : undefined;
  return value;
}

function schemaAt(path: Path): z.core.$ZodType | undefined {
  let schema: z.core.$ZodType | undefined = clusterFile;
  for (const key of path) {
    const def: { shape?: Record<string, z.core.$ZodType>; element?: z.core.$ZodType; valueType?: z.core.$ZodType } = definition(schema);
    schema = typeof key === 'number' ? def.element : def.shape?.[key] ?? def.valueType;
    if (schema === undefined) return undefined;
  }
  return schema;
}

function definition(schema: z.core.$ZodType): object {
  const def = schema._zod.def as { type: string; innerType?: z.core.$ZodType };
  return def.type === 'optional' && def.innerType !== undefined ? definition(def.innerType) : def;
}

function keysAt(path: Path): string[] {
  const schema = schemaAt(path);
  return schema === undefined ? [] : Object.keys((definition(schema) as { shape?: object }).shape ?? {});
}

function meaning(path: Path): string {
  let schema = schemaAt(path);
  while (schema !== undefined) {
    const meta = (schema as z.ZodType).meta?.();
    const example = (meta?.['examples'] as string[] | undefined)?.[0];
    if (meta?.description !== undefined) return example === undefined ? meta.description : `${meta.description} For example ${example}.`;
    schema = (schema._zod.def as { innerType?: z.core.$ZodType }).innerType;
  }
  return keysAt(path).length > 0 ? `A section with ${keysAt(path).join(', ')}.` : 'See the JSON Schema nodes/cluster.schema.json.';
}
