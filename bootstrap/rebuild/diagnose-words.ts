import { known } from './diagnose-look.ts';
import type { AtHand, Conclusion, Diagnosis, PodSight } from './diagnosis.ts';

/** `12 s ago`, `4 min ago`, `3 h ago`, `2 days ago`. */
export function ago(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 120) return `${seconds} s ago`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} min ago`;
  return seconds < 172_800 ? `${Math.round(seconds / 3600)} h ago` : `${Math.round(seconds / 86_400)} days ago`;
}

/** The newest of what a restore could take. */
export function newest(diagnosis: Diagnosis): AtHand | undefined {
  return known(diagnosis.backups)?.toSorted((one, other) => Date.parse(other.at) - Date.parse(one.at))[0];
}

/** Whether the etcd data of an only control plane can still be read from its board. */
export function stillHolds({ etcd, node, boards }: Diagnosis): boolean {
  const own = etcd.find((each) => each.node === node.name);
  // The board before, back with its older card: what it holds is from before its rebuild.
  if ((known(boards) ?? []).some((board) => board.kind === 'configured' && board.card === 'older')) return false;
  return own?.asked === true && (own.phase === 'running' || own.member !== undefined || (known(boards) ?? []).some((board) => board.kind === 'configured'));
}

/** What went with the board, and comes back by the rebuild. Pure. */
export function lostWith(diagnosis: Diagnosis, way: Conclusion['way']): string[] {
  const { node } = diagnosis;
  const lost: string[] = [];
  const kube = known(diagnosis.kubernetes);
  const moving = (kube?.pods ?? []).filter((pod) => !pod.bound && pod.owner !== undefined);
  if (moving.length > 0) lost.push(`${count(moving, 'pod')} that ran there and ${moving.length === 1 ? 'is' : 'are'} started elsewhere${claimsOf(moving)}`);
  const attached = kube?.attachments.filter((each) => each.attached) ?? [];
  if (attached.length > 0) lost.push(`the attachment of ${attached.map((each) => each.volume || each.name).join(', ')}; the data on the NAS is not touched`);
  if (way === 'member') lost.push('one vote of etcd, and one API server');
  if (way === 'only') lost.push('the Kubernetes API and etcd, until they are restored; pods on the workers go on running meanwhile, and nothing is moved or started anew');
  lost.push(`the identity of its card: the new one has another machine id${diagnosis.nas ? ' and another iSCSI name' : ''}${diagnosis.sessions.known && diagnosis.sessions.value[0] ? ` than ${diagnosis.sessions.value[0].initiator}` : ''}`);
  if (kube === undefined) lost.push(`what ran on ${node.name} can’t be told: Kubernetes does not answer`);
  return lost;
}

/** What no rebuild brings back. Pure. */
export function neverBack(diagnosis: Diagnosis, way: Conclusion['way']): string[] {
  const never: string[] = [];
  const kube = known(diagnosis.kubernetes);
  const naked = kube?.pods.filter((pod) => pod.owner === undefined && !pod.bound) ?? [];
  if (naked.length > 0) never.push(`${count(naked, 'pod')} that nothing makes anew: ${some(naked)}`);
  const scratch = kube?.pods.filter((pod) => pod.scratch) ?? [];
  if (scratch.length > 0) never.push(`what ${count(scratch, 'pod')} had in emptyDir: ${some(scratch)}`);
  if (kube && kube.local.length > 0) never.push(`the data of local volumes on its card: ${kube.local.join(', ')}`);
  if (way === 'only' && !stillHolds(diagnosis)) {
    const backup = newest(diagnosis);
    never.push(backup ? `what changed in Kubernetes since the newest backup, ${ago(diagnosis.at - Date.parse(backup.at))} (${backup.at}), and is not in git`
      : `everything that only Kubernetes knew: there is no backup${diagnosis.backups.known ? '' : ` that could be looked at (${diagnosis.backups.why})`}; what is in git and the data on the NAS stay`);
  }
  never.push('logs and whatever else lay on its card alone');
  return never;
}

/** What a rebuild would do now, in its order. Pure. */
export function toDo(diagnosis: Diagnosis, way: Conclusion['way']): string[] {
  const { node, power, rebuild } = diagnosis;
  const kube = known(diagnosis.kubernetes);
  const answers = (known(diagnosis.boards) ?? []).some((board) => board.kind === 'configured');
  const fence = power.known ? `cut the power of port ${node.port} at the switch and read it back` : `you confirm that its old board is off (${power.why})`;
  const member = etcdMemberOf(diagnosis);
  const release = [
    ...(kube && (kube.pods.some((pod) => !pod.bound) || kube.attachments.length > 0) ? [`have Kubernetes let go of its pods${kube.attachments.length > 0 ? ` and ${count(kube.attachments, 'volume')}` : ''}`] : []),
    ...(kube?.node ? ['delete its Node'] : []),
  ];
  const back = Object.keys(kube?.node?.labels ?? {}).length + (kube?.node?.taints.length ?? 0);
  return [
    ...(rebuild?.node === node.name ? [`go on with the rebuild that began at ${rebuild.since}`] : []),
    ...(way !== 'only' && kube?.node ? [answers ? 'cordon it, and drain what can be drained' : 'cordon it'] : []),
    ...(way === 'only' && stillHolds(diagnosis) ? ['take a copy of its etcd while its board still answers'] : []),
    fence,
    ...(diagnosis.nas ? ['wait until the NAS holds no session of it'] : []),
    ...(way === 'member' && member !== undefined ? [`remove its etcd member ${member} on a healthy control plane`] : []),
    ...(way !== 'only' && release.length > 0 ? [release.join(', ')] : []),
    'write a new card for it, put it into the board, power on; the board proves which card it booted', 'apply its config',
    ...(way === 'member' ? ['it joins etcd as a learner; wait until it votes and all members agree'] : []),
    ...(way === 'only' ? [restoring(diagnosis), 'keep Flux suspended, clear what is stale, let the workers rejoin; resume Flux when git is not older than the state'] : []),
    `wait until it is Ready${back > 0 ? `, and put back what was set by hand: ${[...Object.entries(kube?.node?.labels ?? {}).map(([key, value]) => (value === '' ? key : `${key}=${value}`)), ...kube?.node?.taints ?? []].join(', ')}` : ''}`,
    ...(diagnosis.nas ? ['let its new initiator in at the NAS, prove the LUNs, and see the volumes attached again'] : []),
  ];
}

function restoring(diagnosis: Diagnosis): string {
  if (stillHolds(diagnosis)) return 'restore etcd from that copy';
  const backup = newest(diagnosis);
  return backup ? `restore etcd from the newest backup that proves good (${backup.file}, ${ago(diagnosis.at - Date.parse(backup.at))})` : 'begin an empty etcd with the same secrets; Flux makes anew what is in git, and the LUNs are adopted';
}

function etcdMemberOf({ etcd, node, rebuild }: Diagnosis): string | undefined {
  if (rebuild?.node === node.name && rebuild.member !== undefined) return rebuild.member;
  return etcd.flatMap((each) => (each.asked ? each.members ?? [] : [])).find((member) => member.hostname === node.name)?.id;
}

function claimsOf(pods: readonly PodSight[]): string {
  const claims = [...new Set(pods.flatMap((pod) => pod.claims))];
  return claims.length === 0 ? '' : `, with ${claims.length === 1 ? 'the claim' : 'the claims'} ${claims.join(', ')}`;
}

/** The first few names, and how many more. */
function some(pods: readonly PodSight[]): string {
  const names = pods.map((pod) => pod.name);
  return names.length <= 6 ? names.join(', ') : `${names.slice(0, 5).join(', ')} and ${names.length - 5} more`;
}

function count(things: readonly unknown[], what: string): string {
  return `${things.length} ${what}${things.length === 1 ? '' : 's'}`;
}
