import { createHash } from 'node:crypto';
import { parse, stringify } from 'yaml';
import { z } from 'zod';

// The fields of siderolabs/image-factory:pkg/schematic/schematic.go, in its order; what is empty is left out, as Go does.
const shape = z.strictObject({
  overlay: z.strictObject({ image: z.string(), name: z.string(), options: z.record(z.string(), z.unknown()).optional() }).optional(),
  customization: z.strictObject({
    embeddedMachineConfiguration: z.string().optional(),
    extraKernelArgs: z.array(z.string()).optional(),
    meta: z.array(z.strictObject({ key: z.number(), value: z.string() })).optional(),
    systemExtensions: z.strictObject({ officialExtensions: z.array(z.string()).optional() }).optional(),
    bootloader: z.string().optional(),
    secureboot: z.strictObject({ enrollKeys: z.string().optional(), includeWellKnownCertificates: z.boolean().optional() }).optional(),
    diskImage: z.strictObject({ sectorSize: z.number().optional() }).optional(),
  }).optional(),
});

/** A schematic as the factory understood it; `extensions` are the official ones' names. */
export type FactorySchematic = { readonly id: string; readonly yaml: string; readonly extensions: readonly string[] };

/**
 * Reads a posted schematic (YAML or JSON) and computes its id from its own marshalling. Gives the error's text, as the factory
 * answers it with 400, for unknown fields, other types, extensions it does not have.
 */
export function readSchematic(body: string, known: readonly string[]): FactorySchematic | string {
  let data: unknown;
  try {
    data = parse(body) ?? {};
  } catch (error) {
    return `yaml: ${error instanceof Error ? error.message.split('\n')[0] : String(error)}`;
  }
  const read = shape.safeParse(data);
  if (!read.success) return `yaml: unmarshal errors: ${read.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`).join('; ')}`;
  const extensions = read.data.customization?.systemExtensions?.officialExtensions ?? [];
  const missing = extensions.find((name) => !known.includes(name));
  if (missing !== undefined) return `official extension "${missing}" is not available`;
  const { overlay, customization = {} } = read.data;
  const kept = { ...(overlay ? { overlay: filled(overlay) } : {}), customization: filled(customization) };
  const yaml = stringify(kept, { indent: 4, lineWidth: 0, singleQuote: true, version: '1.1' });
  return { id: createHash('sha256').update(yaml).digest('hex'), yaml, extensions };
}

function filled(value: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(value).flatMap(([key, one]) => {
    const inner = typeof one === 'object' && one !== null && !Array.isArray(one) ? filled(one as Record<string, unknown>) : one;
    return isEmpty(inner) ? [] : [[key, inner]];
  }));
}

function isEmpty(value: unknown): boolean {
  return value === undefined || value === '' || value === false || value === 0
    || (typeof value === 'object' && value !== null && Object.keys(value).length === 0);
}
