import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parse } from 'yaml';
import { FirstlightError, ManyErrors } from '../../lib/errors.ts';
import { writeWhole } from '../../lib/files.ts';
import type { Host } from '../../lib/host.ts';
import { recipientsIn, sopsDecrypt, sopsEncrypt } from '../../lib/sops.ts';

/**
 * Puts the SOPS files of a copied homelab repository under the rehearsal's own keys: each is opened with the owner's identity
 * (from the host's environment) and encrypted anew, with its own `encrypted_regex`, for who could open it, `keys` saying which
 * recipient stands for which. The plain text touches no disk. The keys that cluster.yaml files and .sops.yaml name are put in the
 * place of the real ones, too. Throws `E_LAB_SECRETS` with every file that can't be opened. Gives the names of the files.
 */
export async function takeOverSecrets(host: Host, folder: string, keys: ReadonlyMap<string, string>): Promise<readonly string[]> {
  const taken: string[] = [];
  const faults: FirstlightError[] = [];
  for (const name of await readdir(folder, { recursive: true })) {
    if (!/\.ya?ml$/.test(name)) continue;
    const path = join(folder, name);
    const text = await readFile(path, 'utf8');
    const readers = recipientsIn(text);
    if (readers === undefined) {
      const named = /(^|\/)(cluster|\.sops)\.yaml$/.test(name) ? [...keys].reduce((made, [real, own]) => made.replaceAll(real, own), text) : text;
      if (named !== text) await writeWhole(path, named);
      continue;
    }
    try {
      const plain = await sopsDecrypt(host, path);
      host.mask.add(plain);
      const regex: unknown = (parse(text) as { sops?: { encrypted_regex?: unknown } }).sops?.encrypted_regex;
      await writeWhole(path, await sopsEncrypt(host, { plain, path, recipients: readers.map((key) => keys.get(key) ?? key), ...(typeof regex === 'string' ? { encryptedRegex: regex } : {}) }));
      taken.push(name);
    } catch (error) {
      if (!(error instanceof FirstlightError) || error.code === 'E_ABORTED') throw error;
      faults.push(new FirstlightError(error.code, error.message, error.hint, { where: { file: name } }));
    }
  }
  if (faults.length > 0) {
    throw new ManyErrors('E_LAB_SECRETS', `${faults.length} encrypted files of the repository can't be opened for the rehearsal`,
      'Let SOPS_AGE_KEY_FILE name your own age identity: a rehearsal puts its copy of these files under throw-away keys.', faults);
  }
  return taken;
}
