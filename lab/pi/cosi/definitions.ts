import { readFileSync } from 'node:fs';
import { parse } from 'yaml';
import { pack } from '../wire/messages.ts';
import type { Fact } from './store.ts';

type Definition = {
  readonly type: string;
  readonly displayType: string;
  readonly defaultNamespace: string;
  readonly aliases?: readonly string[];
  readonly allAliases?: readonly string[];
  readonly printColumns?: readonly { readonly name: string; readonly jsonPath: string }[];
  readonly sensitivity?: string;
};

const DEFINITIONS = parse(readFileSync(new URL('../data/resource-definitions.yaml', import.meta.url), 'utf8')) as readonly Definition[];
const SENSITIVE = new Set(DEFINITIONS.filter((one) => one.sensitivity === 'sensitive').map((one) => one.type));
const NAMESPACES = new Set([...DEFINITIONS.map((one) => one.defaultNamespace), 'meta', 'network-config', 'controlplane', 'config', 'files', 'secrets', 'kubespan']);

/** The definitions of all 157 resource types, as resources. The client decodes their binary form. */
export const DEFINITION_FACTS: readonly Fact[] = DEFINITIONS.map((one) => ({
  namespace: 'meta', type: 'ResourceDefinitions.meta.cosi.dev', id: one.type.toLowerCase(), owner: 'meta', spec: one,
  proto: pack('ResourceDefinition', {
    resource_type: one.type, display_type: one.displayType, default_namespace: one.defaultNamespace, aliases: one.aliases ?? [], all_aliases: one.allAliases ?? [],
    print_columns: (one.printColumns ?? []).map((column) => ({ name: column.name, json_path: column.jsonPath })), sensitivity: one.sensitivity === 'sensitive' ? 1 : 0,
  }),
}));

/** Whether only an administrator may read a type. */
export function isSensitive(type: string): boolean {
  return SENSITIVE.has(type);
}

/** Whether Talos knows a namespace. */
export function isNamespace(name: string): boolean {
  return NAMESPACES.has(name);
}
