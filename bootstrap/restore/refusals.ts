import { readFile } from 'node:fs/promises';
import { isDeepStrictEqual } from 'node:util';
import { parse } from 'yaml';
import { FirstlightError, problem } from '../../lib/errors.ts';
import type { Host } from '../../lib/host.ts';
import type { Cluster } from '../../nodes/cluster.ts';
import type { Bundle } from '../../talos/secrets.ts';
import { proveSnapshot } from '../../talos/snapshot.ts';
import { parseVersion } from '../../talos/versions.ts';
import { ENTRY } from '../archive/types.ts';
import type { Facts } from '../facts.ts';
import { RAISE } from '../recovery/prepare.ts';
import type { Later, Proven, Refusal } from './types.ts';

/** What of an archive forbids its restore before any machine is looked at: another bundle in the repository, versions that don't fit, a later backup. Each a refusal with what to do. */
export async function archiveRefusals(host: Host, facts: Facts, proven: Proven): Promise<readonly Refusal[]> {
  const bundle = await bundleRefusal(host, facts, proven);
  return [...(bundle === undefined ? [] : [bundle]), ...versionRefusals(facts.cluster, proven), ...(proven.later ? [olderRefusal(proven, proven.later)] : [])];
}

/**
 * The repository's bundle has to be that of the snapshot: its keys go into the boards' configs, and an API server with others can't read one
 * Secret. Proven by a restore with it, unless it says the same as the archive's own, which was proven.
 */
async function bundleRefusal(host: Host, facts: Facts, { archive, name }: Proven): Promise<Refusal | undefined> {
  const file = `${facts.cluster.folder}/secrets.sops.yaml`;
  const refuse = (why: string): Refusal => ({
    forcible: false,
    error: problem('E_RESTORE_BUNDLE', `secrets.sops.yaml is not the secrets bundle of ${name}: ${why}; the bundle in the archive does open them, so the file in the repository is the wrong one`,
      'Bring back the secrets.sops.yaml of that time from git’s history; or run this where it can ask you: it offers to put the archive’s own in its place. Nothing was touched.', { where: { file } }),
  });
  let bundle: Bundle;
  try {
    bundle = await facts.bundle(host);
  } catch (error) {
    host.signal.throwIfAborted();
    if (!(error instanceof FirstlightError)) throw error;
    return refuse(`it can't be opened (${error.message})`);
  }
  if (isDeepStrictEqual(parse(bundle.text), parse(await readFile(archive.path(ENTRY.bundle)!, 'utf8')))) return undefined;
  const proof = await proveSnapshot(host, archive.path(ENTRY.snapshot)!, bundle);
  const opened = proof.secrets === 'wrong bundle' ? 'its key does not open the Secrets in the snapshot' : 'it has other keys';
  return refuse(bundle.clusterId === archive.manifest.clusterId ? opened : `${opened}, and it is of another cluster`);
}

/** Kubernetes and Talos read what an older minor version wrote, not what a newer one did. */
function versionRefusals(cluster: Cluster, { archive: { manifest }, name }: Proven): readonly Refusal[] {
  const declared = { kubernetes: cluster.kubernetes.version, talos: cluster.talos.version };
  return (['kubernetes', 'talos'] as const).flatMap((what) => {
    const then = manifest.versions[what];
    if (then === undefined) return [];
    const [was, is] = [parseVersion(then), parseVersion(declared[what])];
    if (was.major < is.major || (was.major === is.major && was.minor <= is.minor)) return [];
    return [{
      forcible: true,
      error: problem('E_RESTORE_VERSION', `${name} is of ${what} ${was.text}, and cluster.yaml declares ${is.text}, which is older`, `Set ${what}.version in cluster.yaml to ${was.text} or later. Nothing was touched.`, { where: { file: `${cluster.folder}/cluster.yaml` } }),
    }];
  });
}

/** The refusal of an archive that is older than something that is at hand, with by how much. */
export function olderRefusal({ archive: { manifest }, name }: Pick<Proven, 'archive' | 'name'>, later: Later, forcible = true): Refusal {
  const behind = behindText(manifest.etcd.revision, manifest.at, later);
  return {
    forcible,
    error: problem('E_RESTORE_OLDER', `${name} is older than ${later.what}: ${behind} would be lost`,
      forcible ? 'Leave the archive out: the newest state at hand is taken. To go back to this one all the same: --force, and type the cluster’s name. Nothing was touched.'
        : 'Nothing is to be restored while etcd lives. For one node: `firstlight rebuild`. Nothing was touched.'),
  };
}

/** By how much one state is behind another, in words: `1,204 revisions and 3 h 20 min`. */
export function behindText(revision: number, at: string, later: Later): string {
  const seconds = Math.max(0, Math.round((Date.parse(later.at) - Date.parse(at)) / 1000));
  // An etcd that came back from a snapshot before counts on from a number raised by this much.
  return `${((later.revision - revision) % RAISE).toLocaleString('en-US')} revisions and ${seconds.toLocaleString('en-US')} seconds`;
}
