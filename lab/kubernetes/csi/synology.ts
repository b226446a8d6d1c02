import type { KubeClient } from '../client.ts';
import type { Container, Pod } from '../pods/pod-object.ts';
import { secretValues } from '../volumes/claims.ts';
import type { NodeDriver } from '../volumes/drivers.ts';
import { clientsIn, mappedLuns, withDsm, type DsmClient } from './dsm.ts';

/** The name of Synology's own driver. */
export const SYNOLOGY = 'csi.san.synology.com';

/** The driver sees only LUNs that it made itself (SynologyOpenSource/synology-csi:pkg/dsm/service/dsm.go, listISCSIVolumes). */
const PREFIX = 'k8s-csi';
const PORT = 3260;

/** A volume to be made: its name (`pvc-<uid>`), bytes, and where, of the storage class. */
export type NewVolume = { readonly name: string; readonly bytes: number; readonly dsm?: string; readonly location?: string };

/** The container of a pod in which the driver itself runs, if it does. */
export function synologyPlugin(pod: Pod): Container | undefined {
  return pod.spec.containers.find(({ image }) => /(^|\/)synology-csi(:|@|$)/.test(image));
}

/**
 * The node plugin in this pod: finds the volume's target by its uuid at the DSMs of its client-info, and logs in without CHAP, which
 * the driver does not know (pkg/driver/initiator.go). On Talos it finds iscsiadm only with the two arguments that say where.
 */
export function synologyNode(pod: Pod): NodeDriver {
  const { args = [] } = synologyPlugin(pod) ?? {};
  return {
    async locate({ source }, client) {
      const handle = source.csi?.volumeHandle ?? '';
      for (const dsm of await clientInfo(client, pod)) {
        const found = (await withDsm(dsm, mappedLuns)).find(({ uuid, name }) => uuid === handle && name.startsWith(PREFIX));
        if (!found) continue;
        if (!args.includes('--chroot-dir=/host') || !args.includes('--iscsiadm-path=/usr/local/sbin/iscsiadm')) {
          throw new Error(`rpc error: code = Internal desc = Failed to login with target iqn [${found.iqn}], err: chroot: failed to run command '/usr/bin/env': No such file or directory (exit status 127)`);
        }
        return { login: { portal: `${dsm.host}:${PORT}`, iqn: found.iqn }, lun: found.number };
      }
      throw new Error(`rpc error: code = Internal desc = rpc error: code = NotFound desc = Volume[${handle}] is not found`);
    },
  };
}

/** The controller plugin in this pod: makes a LUN and a target without CHAP and maps them; what is there already is taken. Gives the volume's handle and attributes. */
export async function provision(pod: Pod, client: KubeClient, volume: NewVolume): Promise<{ readonly handle: string; readonly attributes: Readonly<Record<string, string>> }> {
  const dsm = (await clientInfo(client, pod)).find(({ host }) => volume.dsm === undefined || host === volume.dsm);
  if (!dsm) throw new Error(`rpc error: code = Internal desc = Couldn't find any host available to create Volume ${volume.name}`);
  const name = `${PREFIX}-${volume.name}`;
  const handle = await withDsm(dsm, async (call) => {
    const mapped = (await mappedLuns(call)).find((each) => each.name === name);
    if (mapped) return mapped.uuid;
    const { volumes } = await call('SYNO.Core.Storage.Volume', 'list') as { volumes: { volume_path: string; fs_type: string }[] };
    const where = volumes.find(({ volume_path }) => volume.location === undefined || volume_path === volume.location);
    if (!where) throw new Error(`rpc error: code = InvalidArgument desc = Unable to find location ${volume.location ?? ''}`);
    const { uuid } = await call('SYNO.Core.ISCSI.LUN', 'create', { name, size: volume.bytes, type: where.fs_type === 'btrfs' ? 'BLUN' : 'FILE', location: where.volume_path }) as { uuid: string };
    const { target_id } = await call('SYNO.Core.ISCSI.Target', 'create', { name, iqn: `iqn.2000-01.com.synology:nas.${volume.name}`, auth_type: 0, max_sessions: 0 }) as { target_id: number };
    await call('SYNO.Core.ISCSI.LUN', 'map_target', { uuid, target_ids: [target_id] });
    return uuid;
  });
  return { handle, attributes: { dsm: dsm.host, protocol: 'iscsi', source: '', formatOptions: '' } };
}

async function clientInfo(client: KubeClient, pod: Pod): Promise<readonly DsmClient[]> {
  const plugin = synologyPlugin(pod);
  const path = plugin?.args?.find((arg) => arg.startsWith('--client-info='))?.slice('--client-info='.length) ?? '';
  const mount = plugin?.volumeMounts?.find(({ mountPath }) => path.startsWith(`${mountPath}/`));
  const name = pod.spec.volumes?.find((volume) => volume.name === mount?.name)?.secret?.secretName;
  if (name === undefined) throw new Error(`rpc error: code = Internal desc = Failed to read config: open ${path}: no such file or directory`);
  const values = await secretValues(client, { name }, pod.metadata.namespace ?? 'default');
  return clientsIn(values[path.split('/').at(-1) ?? ''] ?? '');
}
