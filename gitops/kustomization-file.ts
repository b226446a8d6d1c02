import { isScalar, parseDocument, YAMLSeq } from 'yaml';
import { problem } from '../lib/errors.ts';

/** Whether a kustomization.yaml lists a resource. Throws `E_GIT_LAYOUT` where it can't be read. */
export function listsResource(text: string, resource: string, path: string): boolean {
  const listed: unknown = read(text, path).toJS().resources;
  return Array.isArray(listed) && listed.includes(resource);
}

/** The kustomization.yaml with one resource more, comments and order kept. Throws `E_GIT_LAYOUT`. */
export function withResource(text: string, resource: string, path: string): string {
  if (listsResource(text, resource, path)) return text;
  const document = read(text, path);
  if (!(document.get('resources') instanceof YAMLSeq)) document.set('resources', document.createNode([]));
  document.addIn(['resources'], resource);
  return document.toString();
}

/** The kustomization.yaml with one resource less, comments and order kept. Throws `E_GIT_LAYOUT`. */
export function withoutResource(text: string, resource: string, path: string): string {
  if (!listsResource(text, resource, path)) return text;
  const document = read(text, path);
  const listed = document.get('resources');
  if (listed instanceof YAMLSeq) listed.items = listed.items.filter((item) => (isScalar(item) ? item.value : item) !== resource);
  return document.toString();
}

function read(text: string, path: string): ReturnType<typeof parseDocument> {
  const document = parseDocument(text);
  const value: unknown = document.errors.length === 0 ? document.toJS() : undefined;
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return document;
  throw problem('E_GIT_LAYOUT', `${path} in the GitOps repository is no kustomization.yaml`, 'Mend it there and push, then run again.', { where: { file: path } });
}
