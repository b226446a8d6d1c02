import { test } from 'node:test';
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseAllDocuments } from 'yaml';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { createMask } from '../../lib/masking.ts';
import { createRunner } from '../../lib/process.ts';

/** The newest patch releases of the machinery module that hold the schemas of these minor releases. */
const MODULES = ['v1.12.7', 'v1.13.5', 'v1.14.1'] as const;
const MODULE = 'github.com/siderolabs/talos/pkg/machinery';

/** The folder of the module, obtained by go itself, or why the module proxy has none. Every other failure is a failure of the test. */
async function moduleFolder(version: string): Promise<{ folder: string } | { missing: string }> {
  const environment = Object.fromEntries(Object.entries(process.env).flatMap(([key, value]) => (value === undefined ? [] : [[key, value]])));
  const run = createRunner({ programs: new Map(), environment, signal: new AbortController().signal, mask: createMask() });
  const done = await run({ program: 'go', args: ['mod', 'download', '-json', `${MODULE}@${version}`], env: { GOFLAGS: '' }, cwd: '/', timeoutMs: 240_000, accept: 'any' });
  const read = JSON.parse(done.stdout) as { Dir?: string; Error?: string };
  if (read.Dir !== undefined) return { folder: read.Dir };
  const error = read.Error ?? done.stderr;
  assert.match(error, /\b(404|410) |unknown revision|not available/, `go could not get ${MODULE}@${version}: ${error}`);
  return { missing: error };
}

let checked = 0;

for (const version of MODULES) {
  test(`the documents for Talos ${version} are valid by the schema of its machinery module`, { timeout: 300_000 }, async (t) => {
    const found = await moduleFolder(version);
    if ('missing' in found) return t.skip(found.missing);
    const minor = version.split('.').slice(0, 2).join('.');
    const schema = JSON.parse(await readFile(join(found.folder, 'config/schemas/config.schema.json'), 'utf8'));
    const validate = new Ajv2020({ strict: false, allErrors: true, validateFormats: false }).compile(schema);
    const kinds = new Set<string>();
    for (const node of ['cp-1', 'worker-1']) {
      for (const document of parseAllDocuments(await readFile(join(import.meta.dirname, 'golden', `${minor}-${node}.yaml`), 'utf8'))) {
        const value = document.toJS() as Record<string, unknown>;
        const label = `${node}: ${String(value['kind'] ?? 'v1alpha1')}`;
        kinds.add(String(value['kind'] ?? 'v1alpha1'));
        assert.ok(validate(value), `${label}: ${JSON.stringify(relevant(validate.errors ?? [], value))}`);
        assert.ok(!validate({ ...value, firstlight: true }), `${label}: the schema must refuse an unknown field, or it proves nothing`);
        checked += 1;
      }
    }
    for (const kind of ['v1alpha1', 'HostnameConfig', 'LinkAliasConfig', 'LinkConfig', 'ResolverConfig', 'TimeSyncConfig', 'Layer2VIPConfig']) assert.ok(kinds.has(kind), kind);
  });
}

test('at least one release since 1.12 was checked', () => {
  assert.ok(checked > 0, 'no machinery module could be had');
});

/** Of a failed oneOf, the errors that are not about being of another kind. */
function relevant(errors: readonly { keyword: string; instancePath: string; message?: string; schemaPath: string }[], value: Record<string, unknown>) {
  const kind = String(value['kind'] ?? 'v1alpha1.Config');
  return errors.filter((error) => error.schemaPath.includes(kind)).map((error) => `${error.instancePath} ${error.message ?? ''}`);
}
