import * as z from 'zod';
import * as format from './formats.ts';

/** A text that `judge` looks at; pattern and examples go into the JSON Schema. */
export function text(description: string, judge: format.Judge | undefined, examples: readonly string[] = []) {
  const base = z.string().superRefine((value, context) => {
    const complaint = judge?.(value);
    if (complaint !== undefined) context.addIssue({ code: 'custom', message: complaint.message, params: { code: complaint.code, hint: complaint.hint } });
  });
  return base.meta({ description, ...(judge?.pattern === undefined ? {} : { pattern: judge.pattern }), ...(examples.length === 0 ? {} : { examples }) });
}

/** A name that is not empty. */
export const filled = format.matches(/^\S(.*\S)?$/, 'E_INVENTORY_EMPTY', 'a name without spaces around it', 'Write the name, or take the key out.');

/** An IPv4 address. */
export const address = (description: string) => text(description, format.ipv4, ['192.168.77.11']);

/** A TCP port. */
export const port = (description: string) => z.int().min(1).max(65_535).meta({ description });
