import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { requireNoLink } from '../../gitops/secrets/homelab.ts';
import { secretContent } from '../../gitops/secrets/manifest.ts';
import { problem } from '../../lib/errors.ts';
import { replaceUnchanged } from '../../lib/sops-change.ts';
import type { Session } from '../session.ts';
import { finish, makeReady } from './secrets-change.ts';
import { fromRoot, openDesk } from './secrets-desk.ts';

/**
 * `firstlight secrets edit PATH`: the decrypted file in $EDITOR, by sops itself, on a copy in memory; the file is then replaced as a
 * whole. Throws `E_SOPS_MISSING`, `E_SECRETS_PLAIN` for a file that is not encrypted, `E_SECRETS_HALF` where the edit left something plain.
 */
export async function editSecret(session: Session, path: string | undefined, options: Record<string, unknown>): Promise<number> {
  const { host, view } = session;
  const desk = await openDesk(session);
  const file = fromRoot(desk, path);
  const homelab = await makeReady(session, desk, options['push'] === true, file);
  const whole = join(homelab.root, file);
  const where = { where: { file } };
  await requireNoLink(homelab, file);
  const before = await readFile(whole).catch(() => { throw problem('E_SOPS_MISSING', `${file} is not there`, `Make it with a first value: firstlight secrets set ${file} KEY.`, where); });
  if (secretContent(file, before.toString()).kind !== 'encrypted') throw problem('E_SECRETS_PLAIN', `${file} is not encrypted`, 'Name an encrypted file: `firstlight secrets list` shows them.', where);
  // sops names its decrypted copy after the file, which tells the editor what it is.
  const folder = join(host.scratch, 'edit');
  const copy = join(folder, basename(file));
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    await writeFile(copy, before, { mode: 0o600 });
    const sops = session.programs.get('sops') ?? 'sops';
    const code = await view.aside(async () => {
      const child = spawn(sops, ['edit', copy], { stdio: 'inherit', env: { ...session.environment, TMPDIR: folder } });
      const [ended] = await once(child, 'exit') as [number | null];
      return ended;
    }).catch((error: unknown) => { throw problem('E_SOPS', `sops did not run on ${file}`, 'See `firstlight tools`.', { ...where, cause: error }); });
    // 200: sops's own word for "nothing was changed" (getsops/sops: cmd/sops/codes).
    if (code !== 0 && code !== 200) throw problem('E_SOPS', `sops could not edit ${file}`, 'Its own words are above; the file is as it was.', where);
    if (code === 0) {
      const after = await readFile(copy);
      const content = secretContent(file, after.toString());
      if (content.kind !== 'encrypted') throw problem('E_SOPS', `sops left ${file} unencrypted`, 'The file is as it was.', where);
      if (content.plainKeys.length > 0) throw problem('E_SECRETS_HALF', `${content.plainKeys.join(', ')} of ${file} would be in the clear, by the file’s own rules`, 'Nothing was written. In a Secret values belong under data or stringData; elsewhere see its sops section.', where);
      await replaceUnchanged(whole, before, after);
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  // Also where nothing was changed now: an edit may have been cut off before its commit.
  const finished = await finish(session, homelab, `Change ${file}`, [file], options['push'] === true);
  host.emit({ code: 'secrets.edited', data: { path: file, ...finished } });
  return 0;
}
