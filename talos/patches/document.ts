import { stringify } from 'yaml';

/** A Talos config document, or a part of the v1alpha1 one, as a value. */
export type PatchDocument = Readonly<Record<string, unknown>>;

/** A document of a kind; `name` tells documents of one kind apart where there may be several. */
export function document(kind: string, fields: PatchDocument): PatchDocument {
  return { apiVersion: 'v1alpha1', kind, ...fields };
}

/** The documents as YAML, in order; words that YAML 1.1 would read as booleans (`off`) are quoted. The same input gives the same bytes. */
export function render(documents: readonly PatchDocument[]): string {
  return documents.map((each) => stringify(each, { version: '1.1', lineWidth: 0 })).join('---\n');
}
