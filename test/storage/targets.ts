import { openLabTarget } from '../lab/nas/target.ts';
import type { TestHost } from '../support/host.ts';
import { openTgt } from './tgt.ts';

export const BYTES = 64 * 1024 * 1024;
export const DESK = 'iqn.2026-11.local.test:desk';
export const CHAP = { user: 'gandalf', secret: 'canarychap7413' };
export const MUTUAL = { user: 'nas', secret: 'canarymutual1' };
export const SERIAL = '0123456789';

/** Names of the targets that both have: what each is, is told by `openLab` and `openReal`. */
export const IQN = {
  good: 'iqn.2026-01.local.test:good', mutual: 'iqn.2026-01.local.test:mutual', open: 'iqn.2026-01.local.test:open', empty: 'iqn.2026-01.local.test:empty', off: 'iqn.2026-01.local.test:off',
} as const;

/** A portal with the five targets, which lets in nobody but `DESK`. `image` is the file behind the good target's LUN. */
export type Targets = { readonly image: string; [Symbol.asyncDispose](): Promise<void> };

/** The lab's own: CHAP on all but `open`, mutual CHAP on `mutual`, no LUN behind `empty`, `off` switched off. */
export async function openLab(_host: TestHost, address: string): Promise<Targets> {
  const lab = await openLabTarget(address);
  lab.state.fault = { kind: 'deny initiators', allowed: [DESK] };
  const lun = await lab.lun(BYTES);
  const chap = { authType: 1, user: CHAP.user, password: CHAP.secret };
  lab.add({ iqn: IQN.good, ...chap }, lun);
  lab.add({ iqn: IQN.mutual, ...chap, authType: 2, mutualUser: MUTUAL.user, mutualPassword: MUTUAL.secret }, lun);
  lab.add({ iqn: IQN.open }, lun);
  lab.add({ iqn: IQN.empty, ...chap });
  lab.add({ iqn: IQN.off, ...chap, enabled: false }, lun);
  return { image: `${lab.folder}/${lun.uuid}.img`, [Symbol.asyncDispose]: () => lab[Symbol.asyncDispose]() };
}

/** The same five of a real tgt. */
export async function openReal(host: TestHost, address: string): Promise<Targets> {
  const tgt = await openTgt(host, address, BYTES);
  const account = (user: string, password: string) => tgt.admin('--op', 'new', '--mode', 'account', '--user', user, '--password', password);
  await account(CHAP.user, CHAP.secret);
  await account(MUTUAL.user, MUTUAL.secret);
  for (const [at, [kind, iqn]] of Object.entries(IQN).entries()) {
    const tid = String(at + 1);
    await tgt.admin('--op', 'new', '--mode', 'target', '--tid', tid, '-T', iqn);
    if (kind !== 'empty') await tgt.admin('--op', 'new', '--mode', 'logicalunit', '--tid', tid, '--lun', '1', '-b', tgt.image);
    if (kind === 'good') await tgt.admin('--op', 'update', '--mode', 'logicalunit', '--tid', tid, '--lun', '1', '--params', `vendor_id=SYNOLOGY,product_id=Storage,scsi_sn=${SERIAL}`);
    if (kind !== 'open') await tgt.admin('--op', 'bind', '--mode', 'account', '--tid', tid, '--user', CHAP.user);
    if (kind === 'mutual') await tgt.admin('--op', 'bind', '--mode', 'account', '--tid', tid, '--user', MUTUAL.user, '--outgoing');
    await tgt.admin('--op', 'bind', '--mode', 'target', '--tid', tid, '-Q', DESK);
    if (kind === 'off') await tgt.admin('--op', 'update', '--mode', 'target', '--tid', tid, '--name', 'state', '--value', 'offline');
  }
  return tgt;
}
