import { createHash } from 'node:crypto';
import { problem } from '../lib/errors.ts';
import type { Host } from '../lib/host.ts';
import type { Schematic } from '../nodes/cluster.ts';
import { goString } from './go-yaml.ts';
import { eitherSignal } from '../lib/signals.ts';

const SECRET = /AGE-SECRET-KEY-1|PRIVATE KEY-----|(?:password|passwd|secret|token|api[-_]?key)\s*[=:]\s*\S|:\/\/[^\s/@:]+:[^\s/@]+@/i;

/**
 * A schematic's canonical YAML, as siderolabs/image-factory:pkg/schematic/schematic.go marshals it: that text's SHA-256 is its id.
 * Extensions and kernel arguments keep their order. Throws `E_SCHEMATIC_SECRET`: everyone with the id can read a schematic.
 */
export function schematicYaml(schematic: Schematic): string {
  const { overlay, kernelArgs, extensions } = schematic;
  const text = overlay.configTxtAppend;
  const lines = ['overlay:', `    image: ${goString(overlay.image, 2)}`, `    name: ${goString(overlay.name, 2)}`];
  if (text !== undefined) lines.push('    options:', `        configTxtAppend: ${goString(text, 3)}`);
  lines.push(kernelArgs.length + extensions.length === 0 ? 'customization: {}' : 'customization:');
  if (kernelArgs.length > 0) lines.push('    extraKernelArgs:', ...kernelArgs.map((one) => `        - ${goString(one, 3)}`));
  if (extensions.length > 0) lines.push('    systemExtensions:', '        officialExtensions:', ...extensions.map((one) => `            - ${goString(one, 4)}`));
  const yaml = `${lines.join('\n')}\n`;
  if (SECRET.test(yaml)) throw secretInside();
  return yaml;
}

/** A schematic's id: the SHA-256 of its canonical YAML, in hex. */
export function schematicId(yaml: string): string {
  return createHash('sha256').update(yaml).digest('hex');
}

/**
 * Makes a schematic known to an image factory and gives its id. Content addressed, so posting again is harmless.
 * Throws `E_SCHEMATIC_ID` when the factory computes another id, `E_SCHEMATIC_REFUSED` when it does not take it,
 * `E_FACTORY` when it cannot be reached within a minute, `E_SCHEMATIC_SECRET`.
 */
export async function postSchematic(host: Host, factory: string, yaml: string): Promise<string> {
  if (SECRET.test(yaml) || host.mask.hide(yaml) !== yaml) throw secretInside();
  const answer = await ask(host, `${factory.replace(/\/+$/, '')}/schematics`, yaml);
  if (answer.status === 400) {
    throw problem('E_SCHEMATIC_REFUSED', `the image factory refused the schematic: ${firstLine(answer.text)}`, 'Compare talos.schematic in cluster.yaml with the factory’s own pages.');
  }
  if (answer.status !== 201 && answer.status !== 200) throw unreachable(factory, `it answered ${answer.status}: ${firstLine(answer.text)}`);
  const [ours, theirs] = [schematicId(yaml), idIn(answer.text)];
  if (theirs !== ours) {
    throw problem('E_SCHEMATIC_ID', `the image factory names the schematic ${theirs ?? 'not at all'}, firstlight ${ours}`,
      'The factory understood something else than was sent: do not use its image. Look whether talos.factory is an image factory, and for a newer firstlight.');
  }
  return ours;
}

async function ask(host: Host, url: string, body: string): Promise<{ status: number; text: string }> {
  try {
    const signal = eitherSignal(host.signal, AbortSignal.timeout(60_000));
    const response = await host.fetch(url, { method: 'POST', body, headers: { 'content-type': 'application/yaml' }, signal });
    return { status: response.status, text: await response.text() };
  } catch (error) {
    host.signal.throwIfAborted();
    throw unreachable(url, error instanceof Error ? error.message : String(error), error);
  }
}

function idIn(text: string): string | undefined {
  try {
    const { id } = JSON.parse(text) as { id?: unknown };
    return typeof id === 'string' ? id : undefined;
  } catch {
    return undefined;
  }
}

function firstLine(text: string): string {
  return (text.trim().split('\n')[0] ?? '').slice(0, 300);
}

function unreachable(url: string, why: string, cause?: unknown): Error {
  return problem('E_FACTORY', `no answer from the image factory at ${url}: ${why}`, 'See whether the network is up and talos.factory in cluster.yaml is right; then run again.', { cause });
}

function secretInside(): Error {
  return problem('E_SCHEMATIC_SECRET', 'the schematic seems to hold a secret, and everyone who has its id can read it',
    'Take it out of talos.schematic (kernelArgs, overlay.configTxtAppend) in cluster.yaml; secrets belong in the machine config.');
}
