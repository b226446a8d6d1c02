import { z } from 'zod';
import { ManyErrors, problem, type FirstlightError } from '../../lib/errors.ts';
import { rehearsalRecord } from './schema.ts';
import { RECORD_VERSION, type RehearsalRecord } from './types.ts';

/** What says of a JSON file that it is one of ours. */
export const FORMAT = 'firstlight rehearsal report';

/** The records as JSON text: `{format, version, records}`, which `readReport` reads back. */
export function reportJson(records: readonly RehearsalRecord[]): string {
  return JSON.stringify({ format: FORMAT, version: RECORD_VERSION, records }, null, 2) + '\n';
}

const outside = z.looseObject({ format: z.literal(FORMAT), version: z.int().positive(), records: z.array(z.unknown()) });

/**
 * Reads a report's JSON back, strictly. `file` is for errors only. Throws `E_REPORT_FORM` where it is none (all mistakes
 * together), `E_REPORT_NEWER` where a later firstlight wrote it.
 */
export function readReport(text: string, file: string): readonly RehearsalRecord[] {
  const { version, records } = openReport(text, file);
  if (version > RECORD_VERSION) {
    throw problem('E_REPORT_NEWER', `${file} has version ${version} of the report; this firstlight knows versions up to ${RECORD_VERSION}`,
      'Read it with the firstlight that wrote it, or a later one.', { where: { file } });
  }
  const read = z.array(rehearsalRecord).safeParse(records);
  if (read.success) return read.data;
  throw several(file, read.error.issues.map((issue) => formProblem(file, `records.${issue.path.join('.')}: ${issue.message}`)));
}

/** The outside of a report of any version; its records are not looked at. Throws `E_REPORT_FORM`. */
export function openReport(text: string, file: string): { readonly version: number; readonly records: readonly unknown[] } {
  let data: unknown;
  try {
    data = JSON.parse(text);
  } catch (cause) {
    throw formProblem(file, 'it is not JSON, or was cut off', cause);
  }
  const read = outside.safeParse(data);
  if (read.success) return read.data;
  throw several(file, read.error.issues.map((issue) => formProblem(file, `${issue.path.join('.') || 'the file'}: ${issue.message}`)));
}

function formProblem(file: string, what: string, cause?: unknown): FirstlightError {
  return problem('E_REPORT_FORM', `${file} is not a report of a rehearsal: ${what}`, 'Name the report.json that a rehearsal wrote.', { where: { file }, cause });
}

function several(file: string, problems: readonly FirstlightError[]): FirstlightError {
  return problems.length === 1 ? problems[0]! : new ManyErrors('E_REPORT_FORM', `${file} is not a report of a rehearsal`, 'Name the report.json that a rehearsal wrote.', problems);
}
