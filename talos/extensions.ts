import { problem } from '../lib/errors.ts';
import type { Host } from '../lib/host.ts';
import { getResources } from './resources.ts';
import { readFileOf, type Access } from './talosctl.ts';

/** The system extensions that a machine runs, by name, with their versions; `schematic` is the id of the schematic its image was built of, where it tells one. */
export type Extensions = { readonly versions: ReadonlyMap<string, string>; readonly schematic?: string };

/** What iSCSI volumes need on a node: iscsid with iscsiadm, and the tools that drivers call (siderolabs/extensions:storage/iscsi-tools, tools/util-linux). */
export const ISCSI_EXTENSIONS = ['iscsi-tools', 'util-linux-tools'] as const;

/** Talos's service that is iscsid: `ext-` and the name in siderolabs/extensions:storage/iscsi-tools/iscsid.yaml. */
export const ISCSI_SERVICE = 'ext-iscsid';

/**
 * The machine's extensions. The image factory adds a virtual one named `schematic`, whose version is the schematic's id
 * (siderolabs/image-factory:internal/artifacts/schematic.go). Works in maintenance mode too. Throws `E_TALOS_…`.
 */
export async function extensionsOf(host: Host, access: Access): Promise<Extensions> {
  const all = (await getResources(host, access, 'extensions')).map(({ spec }) => (spec as { metadata?: { name?: unknown; version?: unknown } } | null)?.metadata);
  const versions = new Map(all.flatMap((one): [string, string][] => (typeof one?.name === 'string' ? [[one.name, String(one.version ?? '')]] : [])));
  const schematic = versions.get('schematic');
  versions.delete('schematic');
  return { versions, ...(schematic === undefined ? {} : { schematic }) };
}

/**
 * The name by which the machine's initiator logs in to iSCSI targets (its IQN), from the file that Talos makes of the node's identity
 * (siderolabs/talos:internal/app/machined/pkg/controllers/files/iqn.go): a card written anew gives another. Throws
 * `E_INITIATOR` where the file holds none, `E_TALOS_NOT_FOUND` where there is no file.
 */
export async function initiatorOf(host: Host, access: Access): Promise<string> {
  const text = await readFileOf(host, access, '/etc/iscsi/initiatorname.iscsi');
  const name = /^InitiatorName=(iqn\.\S+)$/m.exec(text)?.[1];
  if (name !== undefined) return name;
  throw problem('E_INITIATOR', `the machine at ${access.address} names no iSCSI initiator`, 'It gets its name with its first config: run again in a minute, and look at /etc/iscsi/initiatorname.iscsi with `talosctl read`.');
}
