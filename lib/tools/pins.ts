import { readFile } from 'node:fs/promises';
import { LineCounter, parseDocument } from 'yaml';
import { z } from 'zod';
import { ManyErrors, problem } from '../errors.ts';

const version = z.string().regex(/^\d+\.\d+\.\d+(-[\w.]+)?$/);
const sha256 = z.string().regex(/^[0-9a-f]{64}$/);
const platform = z.string().regex(/^[a-z]+\/[a-z0-9]+$/);

const onPath = z.strictObject({ from: version, below: version, says: z.record(z.string(), z.array(z.string())) });
const release = z.strictObject({
  url: z.string(), checksums: z.string().optional(), members: z.record(z.string(), z.string()).optional(),
  platforms: z.array(platform).min(1), sha256: z.record(platform, sha256).default({}),
});
const controller = z.strictObject({ module: z.string(), version, sum: z.string().startsWith('h1:') });
const build = z.strictObject({
  module: z.string(), packages: z.record(z.string(), z.string()), tags: z.array(z.string()).default([]),
  ldflags: z.array(z.string()).default([]), noSumDatabase: z.array(z.string()).default([]),
  embedded: z.strictObject({ module: z.string(), controllers: z.array(controller) }).optional(),
  memoryMiB: z.number().int().positive(), cpuSeconds: z.number().positive(),
});
const pin = z.strictObject({
  version, binaries: z.array(z.string()).min(1),
  onPath: onPath.optional(), release: release.optional(), build: build.optional(),
}).superRefine((tool, context) => {
  if (!tool.release && !tool.build) context.addIssue({ code: 'custom', message: 'needs a release, a build or both' });
  for (const binary of tool.binaries) {
    const missing = (path: string): void => context.addIssue({ code: 'custom', path: path.split('.'), message: `says nothing of ${binary}` });
    if (tool.build && !tool.build.packages[binary]) missing('build.packages');
    if (tool.onPath && !tool.onPath.says[binary]) missing('onPath.says');
    if (tool.release?.members && !tool.release.members[binary]) missing('release.members');
  }
  if (tool.release && !tool.release.members && tool.binaries.length > 1) context.addIssue({ code: 'custom', path: ['release'], message: 'a bare file holds one binary: members needed' });
});
const lock = z.strictObject({ tools: z.record(z.string().regex(/^[a-z][a-z0-9-]*$/), pin) });

/** One pinned tool: its version, its binaries, and the ways to have it. Memory in MiB, CPU in seconds on linux/amd64. */
export type Pin = z.infer<typeof pin> & { readonly tool: string };
/** How a tool is downloaded: URL templates, members of the tar.gz by binary (none: a bare binary), platforms as `os/arch`. */
export type Release = z.infer<typeof release>;
/** How a tool is built: folder of our Go module, Go package by binary, and what its build needs besides. */
export type Build = z.infer<typeof build>;

/** Reads tools.lock.yaml. Throws `E_TOOLS_LOCK` with every mistake at its place. */
export async function readPins(file: string): Promise<readonly Pin[]> {
  const text = await readFile(file, 'utf8').catch((cause: unknown) => {
    throw problem('E_TOOLS_LOCK', `${file} cannot be read`, 'It comes with firstlight: restore it from git.', { where: { file }, cause });
  });
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines });
  const hint = 'See the notes at the head of the file, or restore it from git.';
  const at = (offset: number): { file: string; line: number; col: number } => ({ file, ...lines.linePos(offset) });
  const broken = document.errors.map((error) => problem('E_TOOLS_LOCK', error.message.split('\n')[0] ?? 'not YAML', hint, { where: at(error.pos[0]) }));
  const parsed = broken.length > 0 ? undefined : lock.safeParse(document.toJS());
  for (const issue of parsed?.error?.issues ?? []) {
    let path = issue.path as (string | number)[];
    while (path.length > 0 && !document.hasIn(path)) path = path.slice(0, -1);
    const node = document.getIn(path, true) as { range?: [number, number, number] } | undefined;
    broken.push(problem('E_TOOLS_LOCK', `${issue.path.join('.')}: ${issue.message}`, hint, { where: at(node?.range?.[0] ?? 0) }));
  }
  const [first] = broken;
  if (first) throw broken.length === 1 ? first : new ManyErrors('E_TOOLS_LOCK', `${broken.length} mistakes in ${file}`, hint, broken);
  return Object.entries(parsed!.data!.tools).map(([tool, value]) => ({ tool, ...value }));
}
