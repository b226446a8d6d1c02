/** The refusal of a DSM method, by its number. */
export class DsmRefusal extends Error {
  readonly code: number;

  constructor(code: number) {
    super(`refused with ${code}`);
    this.code = code;
  }
}

/** A request's parameters, as sent. */
export type Parameters = ReadonlyMap<string, string>;

/** A string as JSON or, as some clients send names, bare. `code` is answered where it is missing or empty. */
export function text(parameters: Parameters, name: string, code: number): string {
  const value = loose(parameters, name);
  if (typeof value !== 'string' || value === '') throw new DsmRefusal(code);
  return value;
}

/** A string that must be JSON-quoted (uuid, target_id); `code` where it is not. */
export function quoted(parameters: Parameters, name: string, code: number): string {
  const value = strict(parameters, name, code);
  if (typeof value !== 'string') throw new DsmRefusal(code);
  return value;
}

/** A whole number, zero or more; `otherwise` where it was left out. */
export function whole(parameters: Parameters, name: string, code: number, otherwise?: number): number {
  if (!parameters.has(name) && otherwise !== undefined) return otherwise;
  const value = loose(parameters, name);
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0) throw new DsmRefusal(code);
  return value;
}

/** A JSON list; `code` where it is none. */
export function list(parameters: Parameters, name: string, code: number): readonly unknown[] {
  const value = strict(parameters, name, code);
  if (!Array.isArray(value)) throw new DsmRefusal(code);
  return value;
}

function loose(parameters: Parameters, name: string): unknown {
  const raw = parameters.get(name);
  if (raw === undefined) return undefined;
  try {
    return JSON.parse(raw);
  } catch {
    return raw;
  }
}

function strict(parameters: Parameters, name: string, code: number): unknown {
  try {
    return JSON.parse(parameters.get(name) ?? '');
  } catch {
    throw new DsmRefusal(code);
  }
}
