import { readFile } from 'node:fs/promises';
import { problem } from '../../lib/errors.ts';
import type { Host } from '../../lib/host.ts';
import type { Lun, Nas } from '../../nodes/cluster.ts';
import { match, sameIqn, type NasContents } from '../../storage/findings.ts';
import { ENTRY, type Archive } from '../archive/types.ts';
import type { Facts } from '../facts.ts';
import { look } from '../rebuild/diagnose-look.ts';
import { contentsOfNas, type StorageView } from '../storage-view.ts';
import type { Step } from '../step.ts';
import type { PartSight } from './types.ts';

const LOOK_MS = 25_000;

/** What the archive's map says that each declared LUN is on the NAS: its uuid and bytes, by declared name. */
export type LunMap = ReadonlyMap<string, { readonly uuid: string; readonly bytes: number }>;

/** The archive's map of LUNs; undefined where the backup could not have it. */
export async function lunMapOf(archive: Archive): Promise<LunMap | undefined> {
  const path = archive.path(ENTRY.storage);
  if (path === undefined) return undefined;
  const { luns } = JSON.parse(await readFile(path, 'utf8')) as StorageView;
  return new Map(luns.flatMap(({ declaredAs, uuid, bytes }) => (declaredAs === undefined ? [] : [[declaredAs, { uuid, bytes }] as const])));
}

/** Whether the NAS still has each declared LUN, the very one of the archive's map, and shows it by its target. */
export async function lookAtNas(host: Host, facts: Facts, nas: Nas, archive: Archive): Promise<PartSight> {
  const map = await lunMapOf(archive);
  const seen = await look(host, LOOK_MS, (own) => contentsOfNas(own, facts));
  if (!seen.known) return { kind: 'beyond', told: `the NAS can't be asked: ${seen.why}`, hint: 'See that it is up, and its address, account and certificate in cluster.yaml; then run the same command again.' };
  return judgeNas(nas, seen.value, map);
}

/** The verdict on what DSM lists. Pure. */
export function judgeNas(nas: Pick<Nas, 'luns'>, contents: NasContents, known: LunMap | undefined): PartSight {
  const map = known ?? new Map<string, { readonly uuid: string }>();
  // A uuid in cluster.yaml is its owner's word: the LUN came back as another one.
  const theirs = new Map(nas.luns.flatMap((lun) => (lun.uuid === undefined && map.has(lun.name) ? [[lun.name, map.get(lun.name)!.uuid] as const] : [])));
  const gone = nas.luns.filter(({ name }) => theirs.has(name) && !contents.luns.some((each) => sameUuid(each.uuid, theirs.get(name)!)));
  if (gone.length > 0) {
    return {
      kind: 'beyond', told: gone.map((lun) => `the NAS has no LUN ${map.get(lun.name)!.uuid}, which was ${lun.name}${namesake(lun, contents)}`).join('; '),
      hint: 'Restore the LUN on the NAS from its own snapshots or backups. Where it came back under another uuid, write that into nas.luns[].uuid in cluster.yaml; no other LUN is taken in its place.',
    };
  }
  const absent = known ? [] : nas.luns.filter((lun) => match(contents, lun).lun === undefined);
  if (absent.length > 0) {
    return {
      kind: 'beyond', told: `the NAS has no LUN ${absent.map(({ name }) => name).join(', ')}, and the archive does not say which it was`,
      hint: 'Restore the LUN on the NAS under its name. Where it never held anything, take it out of cluster.yaml for the restore; the next `firstlight up` makes it.',
    };
  }
  const renamed = nas.luns.filter((lun) => theirs.has(lun.name) && !sameUuid(match(contents, lun).lun?.uuid ?? '', theirs.get(lun.name)!));
  if (renamed.length > 0) {
    return {
      kind: 'beyond', told: renamed.map(({ name }) => `the LUN ${theirs.get(name)!}, which was ${name}, has another name on the NAS`).join('; '),
      hint: 'Give it its name back in SAN Manager, or write its uuid into nas.luns[].uuid in cluster.yaml.',
    };
  }
  const hidden = nas.luns.flatMap((lun) => hiddenBy(lun, contents, map));
  if (hidden.length === 0) return { kind: 'well', told: `${nas.luns.length} LUNs, each behind its target` };
  return { kind: 'lost', told: hidden.join('; '), todo: 'targets, CHAP and mapping are made again for the very LUNs that the archive names; no LUN is made, formatted or deleted' };
}

/** Before anything is made on the NAS: its LUNs are those of the archive's map. A look; throws `E_RESTORE_NAS` where they are not. */
export function lunsStep(facts: Facts, nas: Nas, archive: Archive, needs: readonly string[]): Step {
  return {
    id: 'luns', part: 'NAS', title: 'The LUNs are those of the archive', needs,
    async observe(host) {
      const sight = judgeNas(nas, await contentsOfNas(host, facts), await lunMapOf(archive));
      if (sight.kind === 'beyond') throw problem('E_RESTORE_NAS', sight.told, sight.hint);
      return { state: 'done', detail: sight.told };
    },
    act: async () => {},
  };
}

function hiddenBy(lun: Lun, contents: NasContents, map: ReadonlyMap<string, { readonly uuid: string }>): readonly string[] {
  const uuid = lun.uuid ?? map.get(lun.name)?.uuid ?? match(contents, lun).lun?.uuid;
  const target = contents.targets.find(({ iqn }) => sameIqn(iqn, lun.iqn));
  if (uuid === undefined) return [];
  if (!target) return [`the NAS has no target ${lun.iqn} for the LUN ${lun.name}`];
  if (target.mapped_luns.some((each) => sameUuid(each.lun_uuid, uuid))) return [];
  return [`the target of ${lun.name} does not show its LUN`];
}

function namesake({ name }: Lun, contents: NasContents): string {
  const other = contents.luns.find((each) => each.name === name);
  return other === undefined ? '' : ` (the LUN of that name is ${other.uuid})`;
}

function sameUuid(one: string, other: string): boolean {
  return one.toLowerCase() === other.toLowerCase();
}
