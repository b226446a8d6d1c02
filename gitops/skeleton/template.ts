import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { readIfThere } from '../../lib/files.ts';

/** What a new cluster is called and where it stands; whatever else is in cluster.yaml a person fills in. */
export type Answers = {
  /** A DNS label. */
  readonly name: string;
  /** The first three numbers of its /24, like `192.168.77`. */
  readonly prefix: string;
  /** The repository as Flux will reach it; the template's where it isn't known yet. */
  readonly url?: string;
  /** Recipients by role, in the place of the template's. */
  readonly recipients: { readonly cluster: string; readonly owner: string; readonly offline: string };
};

/** A file to add: its path from the repository's root, and its whole text. */
export type NewFile = { readonly path: string; readonly text: string };

/** The template: the bundled homelab, its cluster's name, network and keys as they stand in it. */
const TEMPLATE = {
  name: 'gandalf', prefix: '192.168.77', mac: 'dc:a6:32:77',
  url: 'ssh://git@192.168.77.6:22/homelab.git',
  recipients: {
    cluster: 'age1caf3fxhrt3xc2tsncsm7cmh62uk0ywvnvytvqfx8v6nc3gva7ewqlla5pf',
    owner: 'age166lmqh5kfa7fxtvgt82hpy9l729guae9534tmn9xf06zyajpgqqstjnwdh',
    offline: 'age1lnu9un0k6eddwvz9zu73h733ul77m483gfzu4s23v7zrmxlnt96qenul40',
  },
};

/** Files of the template that are made anew or belong to nobody else. */
const LEFT_OUT = /^\.sops\.yaml$|(^|\/)(runs|backups)\/|\.sops\.ya?ml$|\/firstlight\.lock\.yaml$/;

/**
 * The files of a new cluster's homelab, as the bundled one has them (in the structure of the Flux guide), under the cluster's own
 * name. What clusters share (infrastructure/controllers and configs, apps/base, components) says nothing of one of them.
 */
export async function skeletonFiles(template: string, answers: Answers): Promise<NewFile[]> {
  const files: NewFile[] = [];
  for (const path of await templatePaths(template)) {
    const shared = !path.split('/').includes(TEMPLATE.name) && path !== 'README.md';
    const text = await readFile(join(template, path), 'utf8');
    files.push({ path: path.replaceAll(`/${TEMPLATE.name}/`, `/${answers.name}/`), text: shared ? text : renamed(text, answers) });
  }
  return files;
}

/** Names that no cluster can have: folders that clusters share, since a file below a cluster's name is that cluster's alone. */
export async function sharedFolders(template: string): Promise<ReadonlySet<string>> {
  return new Set((await templatePaths(template)).flatMap((path) => path.split('/').slice(0, -1)).filter((name) => name !== TEMPLATE.name));
}

async function templatePaths(template: string): Promise<string[]> {
  const entries = await readdir(template, { recursive: true, withFileTypes: true });
  const paths = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name).slice(template.length + 1));
  return paths.filter((path) => !LEFT_OUT.test(path)).sort();
}

/** Those that the repository has not: what is there stays as it is, whatever it holds. */
export async function missingFiles(root: string, files: readonly NewFile[]): Promise<NewFile[]> {
  const missing: NewFile[] = [];
  for (const file of files) if (await readIfThere(join(root, file.path)) === undefined) missing.push(file);
  return missing;
}

function renamed(text: string, answers: Answers): string {
  const { recipients } = TEMPLATE;
  const keyed = (['cluster', 'owner', 'offline'] as const).reduce((made, role) => made.replaceAll(recipients[role], answers.recipients[role]), text);
  const linked = answers.url === undefined ? keyed : keyed.replaceAll(TEMPLATE.url, answers.url);
  const octet = Number(answers.prefix.split('.')[2]).toString(16).padStart(2, '0');
  return linked.replaceAll(`${TEMPLATE.prefix}.`, `${answers.prefix}.`)
    .replaceAll(TEMPLATE.mac, answers.prefix === TEMPLATE.prefix ? TEMPLATE.mac : `dc:a6:32:${octet}`)
    .replaceAll(TEMPLATE.name, answers.name).replaceAll('Gandalf', answers.name[0]?.toUpperCase() + answers.name.slice(1));
}
