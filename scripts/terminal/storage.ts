import type { LunView, StorageView, TargetView, VolumeView } from '../../bootstrap/storage-view.ts';

/**
 * The NAS as a picture: one line per LUN from the LUN by its target and volume to its claim, with whoever is connected below.
 * `●` declared, `○` not declared, `✗` declared and not there.
 */
export function storagePicture(view: StorageView): string {
  const lines = [`NAS ${view.nas}, cluster ${view.cluster}`];
  for (const lun of view.luns.toSorted(byDeclared)) lines.push('', ...lunLines(lun, view));
  for (const name of view.absent) lines.push('', `  ✗ ${name}   declared, not on the NAS; \`firstlight up ${view.cluster}\` makes it`);
  if (view.luns.length === 0 && view.absent.length === 0) lines.push('', '  no LUN, and none declared');
  if (view.kubernetes !== undefined) lines.push('', `Volumes and claims are not shown: ${view.kubernetes}`);
  return lines.join('\n');
}

/** `20 GiB`, `1.5 TiB`: powers of two, as LUNs are made. */
function lunSize(bytes: number): string {
  const [unit, size] = ([['TiB', 2 ** 40], ['GiB', 2 ** 30]] as const).find(([, each]) => bytes >= each) ?? ['MiB', 2 ** 20];
  return `${Number((bytes / size).toFixed(1))} ${unit}`;
}

function byDeclared(one: LunView, other: LunView): number {
  return Number(other.declaredAs !== undefined) - Number(one.declaredAs !== undefined) || one.name.localeCompare(other.name);
}

function lunLines(lun: LunView, view: StorageView): string[] {
  const head = `  ${lun.declaredAs === undefined ? '○' : '●'} ${lun.name}${lun.declaredAs !== undefined && lun.declaredAs !== lun.name ? ` (as ${lun.declaredAs})` : ''}  ${lunSize(lun.bytes)}`;
  const chain = [head, ...lun.targets.slice(0, 1).map((target) => `target ${target.iqn}`), ...lun.volumes.slice(0, 1).map((volume) => `volume ${volume.name}`), ...lun.volumes.slice(0, 1).map(claimText)];
  const lines = [chain.join(' ─▶ '), `    ${lun.location}  ${lun.uuid}  ${standing(lun, view)}`];
  for (const target of lun.targets) lines.push(...targetLines(target, lun.targets.length > 1));
  if (lun.targets.length === 0) lines.push('    no target shows it');
  for (const volume of lun.volumes.slice(1)) lines.push(`    also volume ${volume.name} ─▶ ${claimText(volume)}`);
  return lines;
}

function claimText(volume: VolumeView): string {
  return volume.claim === undefined ? `(no claim, ${volume.phase})` : `claim ${volume.claim} (${volume.phase})`;
}

function standing(lun: LunView, view: StorageView): string {
  if (lun.declaredAs !== undefined) return 'declared';
  if (lun.markedFor !== undefined && lun.markedFor !== view.cluster) return `of cluster ${lun.markedFor}`;
  return `not declared: firstlight storage adopt ${view.cluster} ${/\s/.test(lun.name) ? lun.uuid : lun.name}`;
}

function targetLines(target: TargetView, several: boolean): string[] {
  const traits = [{ none: 'no CHAP', 'one-way': 'CHAP', mutual: 'mutual CHAP' }[target.chap], ...(target.number === undefined ? [] : [`LUN number ${target.number}`]), ...(target.enabled ? [] : ['switched off'])];
  const sessions = target.sessions.map((session) => `    ↳ in use by ${session.node ?? 'somebody unknown'} (${[session.address, session.initiator].filter(Boolean).join(', ')})`);
  return [`    ${several ? `${target.iqn}: ` : ''}${traits.join(', ')}${sessions.length === 0 ? ', nobody connected' : ''}`, ...sessions];
}
