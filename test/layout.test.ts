import assert from 'node:assert/strict';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { test } from 'node:test';

const home = fileURLToPath(new URL('..', import.meta.url));

/** What each room may import, besides itself and packages (design: imports go one way). */
const MAY: Record<string, readonly string[]> = {
  lib: [],
  nodes: ['lib'],
  talos: ['lib', 'nodes'],
  storage: ['lib', 'nodes'],
  gitops: ['lib', 'nodes'],
  bootstrap: ['lib', 'nodes', 'talos', 'storage', 'gitops'],
  lab: ['lib', 'nodes (types)'],
  scripts: ['lib', 'nodes', 'talos', 'storage', 'gitops', 'bootstrap'],
};

function sources(folder: string): string[] {
  return readdirSync(join(home, folder), { recursive: true, encoding: 'utf8' })
    .map((name) => join(folder, name))
    .filter((name) => name.endsWith('.ts') && statSync(join(home, name)).isFile());
}

function importsOf(file: string): { readonly target: string; readonly typeOnly: boolean }[] {
  const text = readFileSync(join(home, file), 'utf8');
  const found = [...text.matchAll(/^(?:import|export)\s+(type\s+)?[^'";]*?from\s+'(\.[^']+)'|import\('(\.[^']+)'\)/gm)];
  return found.map((match) => ({
    target: relative(home, resolve(home, dirname(file), match[2] ?? match[3] ?? '')),
    typeOnly: match[1] !== undefined,
  }));
}

for (const [room, allowed] of Object.entries(MAY)) {
  test(`imports of ${room}/ go one way`, () => {
    const wrong: string[] = [];
    for (const file of sources(room)) {
      for (const { target, typeOnly } of importsOf(file)) {
        const to = target.split('/')[0] ?? '';
        if (to === room || allowed.includes(to)) continue;
        if (typeOnly && allowed.includes(`${to} (types)`)) continue;
        if (to === 'lab' && /^scripts\/commands\/rehearse/.test(file)) continue;
        wrong.push(`${file} imports ${target}`);
      }
    }
    assert.deepEqual(wrong, []);
  });
}

test('below scripts/ nothing prints, prompts, or reads clock or environment', () => {
  const forbidden = /\bconsole\.\w+\(|process\.(env|stdout|stderr|stdin|argv|exit)\b|\bDate\.now\(|new Date\(\)|performance\.now\(|\breadline\b/;
  const wrong = ['lib', 'nodes', 'talos', 'storage', 'gitops', 'bootstrap'].flatMap(sources).filter((file) => {
    const code = readFileSync(join(home, file), 'utf8').replace(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, '');
    return forbidden.test(code);
  });
  assert.deepEqual(wrong, []);
});

test('nothing outside lab/ and the rehearse command behaves differently in the lab', () => {
  const wrong = ['lib', 'nodes', 'talos', 'storage', 'gitops', 'bootstrap'].flatMap(sources)
    .filter((file) => /\blab\b/i.test(readFileSync(join(home, file), 'utf8').replace(/homelab/gi, '')));
  assert.deepEqual(wrong, []);
});

test('signals are joined by lib/signals.ts: the platform\'s own way may lose an abort', () => {
  const wrong = Object.keys(MAY).flatMap(sources).filter((file) => /AbortSignal\.any\(/.test(readFileSync(join(home, file), 'utf8')));
  assert.deepEqual(wrong, []);
});

test('no file is over 300 lines', () => {
  const long = [...Object.keys(MAY), 'test'].flatMap(sources)
    .map((file) => ({ file, lines: readFileSync(join(home, file), 'utf8').split('\n').length }))
    .filter(({ lines }) => lines > 301);
  assert.deepEqual(long, []);
});

test('every exported function has a docstring', () => {
  const bare: string[] = [];
  for (const file of Object.keys(MAY).flatMap(sources)) {
    const lines = readFileSync(join(home, file), 'utf8').split('\n');
    lines.forEach((line, index) => {
      const match = /^export (?:async )?function\*? (\w+)/.exec(line);
      if (match && !(lines[index - 1] ?? '').trimEnd().endsWith('*/')) bare.push(`${file}: ${match[1]}`);
    });
  }
  assert.deepEqual(bare, []);
});

test('no two test files listen in one loopback network: two files always run side by side', () => {
  const owners = new Map<string, string[]>();
  for (const file of sources('test').filter((name) => name.endsWith('.test.ts'))) {
    const found = readFileSync(join(home, file), 'utf8').matchAll(/\b127\.(\d+)\.(\d+)\.\d+/g);
    // 127.0.0.1 is for ports that the system chooses; worlds hold a network of their own from 127.128 on.
    const networks = new Set([...found].filter((match) => Number(match[1]) > 0 && Number(match[1]) < 128).map((match) => `127.${match[1]}.${match[2]}`));
    for (const network of networks) owners.set(network, [...owners.get(network) ?? [], file]);
  }
  assert.deepEqual([...owners].filter(([, files]) => files.length > 1), []);
});
