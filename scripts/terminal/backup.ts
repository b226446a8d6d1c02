import type { BackupDone } from '../../bootstrap/archive/backup.ts';
import { newestOf, type Listing } from '../../bootstrap/archive/list.ts';
import { CLOCKS_MS } from '../../bootstrap/archive/retention.ts';
import type { Verified } from '../../bootstrap/archive/verify-backups.ts';
import { bytes, duration } from './view.ts';

/** What a backup came to: the archive, what it holds, where it is, and what is missing in it. */
export function backupText({ name, size, places, manifest, ms, made }: BackupDone): string {
  const { etcd, recipients, missing, entries } = manifest;
  return [
    '', `${name}  ${bytes(size)}, ${entries.length} parts`,
    `  etcd at revision ${etcd.revision}: ${etcd.objects.reduce((sum, { count }) => sum + count, 0)} objects, proven by a restore${etcd.bundle === 'decrypt' ? '; its Secrets open with the bundle beside it' : ''}`,
    `  for ${recipients.map((each) => `${each.name} (${each.role})`).join(', ')}`,
    ...places.map((place) => `  in ${place}`),
    ...missing.map(({ part, why }) => `  ! without ${part}: ${why}`),
    '', `Backed up in ${duration(ms)}${missing.length === 0 ? '' : ', but not everything'}. ${made ? 'Commit credentials.sops.yaml and firstlight.lock.yaml: they hold the key that signs backups, made just now. ' : ''}Prove it any time: firstlight backup verify ${manifest.cluster}`,
  ].join('\n');
}

/** The backups of all places, newest first. `now` is milliseconds since 1970. */
export function listText(cluster: string, { archives, silent }: Listing, now: number): string {
  const rows = archives.map(({ name, at, bytes: size, places }) => `${name}  ${age(Date.parse(at), now).padStart(12)}  ${bytes(size).padStart(7)}  ${places.join(', ')}`);
  return [...rows.length === 0 ? [`${cluster} has no backup yet: firstlight backup ${cluster}`] : rows, ...quietText(silent)].join('\n');
}

function quietText(silent: Listing['silent']): readonly string[] {
  return silent.map(({ place, error }) => `! ${place} could not be asked: ${error.message}`);
}

/** One line on the newest backup. */
export function newestText(cluster: string, { archives, silent }: Listing, now: number): string {
  const newest = newestOf(archives, now);
  const quiet = silent.length === 0 ? '' : ` (not asked: ${silent.map(({ place }) => place).join(', ')})`;
  if (!newest) return `${silent.length === 0 ? `No backup yet: firstlight backup ${cluster}` : 'No backup found'}${quiet}`;
  return `The newest backup is ${age(Date.parse(newest.at), now)}${Date.parse(newest.at) > now + CLOCKS_MS ? ', so a clock was wrong' : ''}: ${newest.name} in ${newest.places.join(', ')}${quiet}`;
}

/** What was proven of each archive, or why it was refused, and which places could not be asked. `own` are the recipients whose identity is at hand. */
export function verifyText(all: readonly Verified[], silent: Listing['silent'], own: ReadonlySet<string>): string {
  const texts = all.map((each) => {
    if ('refused' in each) return [[`✖ ${each.name}`, each.refused.code, ...each.places.length === 0 ? [] : [each.places.join(', ')]].join('  '), `  ${each.refused.message}`, `  → ${each.refused.hint}`].join('\n');
    const { archive: { manifest, signer, sha256, bytes: size }, proof, absent } = each.verdict;
    return [
      `✔ ${each.name}  ${bytes(size)}${each.places.length === 0 ? '' : `  ${each.places.join(', ')}`}`,
      `  of ${manifest.cluster}, ${manifest.at}, SHA-256 ${sha256.slice(0, 16)}…; ${manifest.entries.length} parts as signed, ${signer === 'pinned' ? 'by the pinned key' : `by ${manifest.signer.slice(0, 12)}…, which no lock file pins`}`,
      `  snapshot restored and asked: revision ${proof.revision}, ${proof.objects.reduce((sum, { count }) => sum + count, 0)} objects${proof.secrets === 'decrypt' ? ', every Secret opens with the bundle' : proof.secrets === 'plain' ? ', Secrets in the clear' : ', no Secrets'}`,
      `  opens for ${manifest.recipients.map(({ name, key }) => `${name}${own.has(key) ? ' (tried)' : ''}`).join(', ')}`,
      ...absent.map(({ name }) => `  ! made before ${name} was a recipient: that key does not open it`),
      ...manifest.missing.map(({ part, why }) => `  ! without ${part}: ${why}`),
    ].join('\n');
  });
  const refused = all.filter((each) => 'refused' in each).length;
  return [...texts, ...quietText(silent), '', refused === 0 ? `${all.length === 1 ? 'It is' : `All ${all.length} are`} good.` : `${refused} of ${all.length} refused.`].join('\n');
}

/** `3 hours old`, `a moment old`, `dated 2 days ahead`. */
function age(at: number, now: number): string {
  if (at > now + CLOCKS_MS) return `dated ${age(now, at).replace('old', 'ahead')}`;
  const minutes = Math.floor((now - at) / 60_000);
  const [count, unit] = minutes < 60 ? [minutes, 'minute'] : minutes < 48 * 60 ? [Math.floor(minutes / 60), 'hour'] : [Math.floor(minutes / 1440), 'day'];
  return minutes < 1 ? 'a moment old' : `${count} ${unit}${count === 1 ? '' : 's'} old`;
}
