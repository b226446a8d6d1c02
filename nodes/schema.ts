import * as z from 'zod';
import { readerUrl } from './formats-reader.ts';
import { ageRecipient, cardDevice } from './formats-secret.ts';
import * as format from './formats.ts';
import { backup } from './schema-backup.ts';
import { rehearsal } from './schema-rehearsal.ts';
import { gitops, vault } from './schema-gitops.ts';
import { nas } from './schema-nas.ts';
import { address, filled, text } from './schema-parts.ts';
import { powerSwitch } from './schema-switch.ts';

// The schema only judges form; it changes nothing. Defaults and conversions are in to-cluster.ts, connections between values in rules.ts.

const talos = z.strictObject({
  version: text('Talos version of the cards and of the installed system.', format.version('E_INVENTORY_TALOS_VERSION'), ['1.11.0']),
  factory: text('The image factory that builds the card image.', format.matches(/^https?:\/\/[^\s/?#@]+$/, 'E_INVENTORY_FACTORY', 'the URL of an image factory', 'Write https://factory.talos.dev, without a path.')).optional(),
  image: text('An image file given by hand, in place of the factory\'s; its path as seen from the cluster\'s folder.', format.matches(/^[^\s~].*\.raw(\.zst|\.xz)?$/, 'E_INVENTORY_IMAGE', 'a path to a disk image', 'Name a .raw.zst, .raw.xz or .raw file, as ./talos.raw.xz.'), ['./metal-arm64.raw.xz']).optional(),
  workloadIsolation: z.boolean().meta({ description: 'Keep kubelet and pods apart from the machine\'s own services (Talos 1.14 and later); true unless told. Kubernetes\' own iSCSI volumes work with false only.' }).optional(),
  schematic: z.strictObject({
    overlay: z.strictObject({
      image: text('The overlay\'s image without its registry.', filled).optional(),
      name: text('The overlay: which board the image is for.', filled).optional(),
      configTxtAppend: z.string().meta({ description: 'Lines added to the Raspberry Pi\'s config.txt.' }).optional(),
    }).optional(),
    extensions: z.array(text('An official system extension.', format.matches(/^[a-z0-9-]+\/[a-z0-9-]+$/, 'E_INVENTORY_EXTENSION', 'the name of a system extension', 'Write owner/name, like siderolabs/iscsi-tools.'))).optional(),
    kernelArgs: z.array(text('One kernel argument.', format.matches(/^\S+$/, 'E_INVENTORY_KERNEL_ARG', 'one kernel argument', 'Write each argument as its own list item.'))).optional(),
  }).optional(),
});

const network = z.strictObject({
  subnet: text('The subnet that all machines share.', format.subnet, ['192.168.77.0/24']),
  gateway: address('The router.'),
  dns: z.array(address('A name server.')).min(1).meta({ description: 'Name servers; the gateway unless told.' }).optional(),
  ntp: z.array(text('A time server.', format.hostName)).min(1).meta({ description: 'Time servers (a Raspberry Pi has no clock of its own); time.cloudflare.com unless told.' }).optional(),
  endpoint: text('URL of the Kubernetes API: a control plane\'s address, a free address of the subnet (virtual IP), or a name.', format.endpointUrl, ['https://192.168.77.11:6443']),
  maintenance: z.enum(['dhcp', 'static']).meta({ description: 'Where a board in maintenance mode, before its first config, has its address from: the network\'s DHCP server (unless told), or its card, which then carries the node\'s address.' }).optional(),
});

const node = z.strictObject({
  name: text('Host name.', format.dnsLabel),
  role: z.enum(['control plane', 'worker']).meta({ description: 'What the node does.' }),
  mac: text('MAC address of the board\'s Ethernet port.', format.macAddress, ['dc:a6:32:01:02:03']),
  address: address('The node\'s fixed address.'),
  proof: z.enum(['stamp', 'mac']).meta({ description: 'How the board proves which it is: the stamp on its card (unless told), or its MAC for cards written by other means.' }).optional(),
  card: z.strictObject({
    device: text('Where the card is written.', cardDevice, ['/dev/disk/by-id/usb-Generic_STORAGE_DEVICE_000000001532-0:0']).optional(),
    serial: text('The card\'s own serial number (CID).', filled).optional(),
  }).meta({ description: 'What is known of the microSD card.' }).optional(),
  port: z.int().min(1).max(128).meta({ description: 'The PoE switch\'s port that feeds the board.' }).optional(),
  labels: z.record(z.string(), z.string()).meta({ description: 'Kubernetes labels of the node.' }).optional(),
  memory: text('What the node\'s pods may take of its memory together; 7GiB on a worker and 6GiB on a control plane unless told.', format.binarySize, ['6GiB']).optional(),
});

const cardReader = z.strictObject({
  url: text('Where it is and as whom: a Linux machine with python3. Log-in is by your SSH agent, or by readerKey in credentials.sops.yaml.', readerUrl, ['ssh://pi@192.168.77.9']),
  hostKey: text('Fingerprint of that machine\'s host key.', format.hostKeyFingerprint),
});

const recipient = z.strictObject({
  name: text('Whose key it is.', format.dnsLabel),
  role: z.enum(['cluster', 'owner', 'offline']).meta({ description: 'cluster: the cluster\'s own key; owner: a person\'s; offline: kept away from any computer.' }),
  key: text('The age recipient.', ageRecipient),
});

/** The form of cluster.yaml. */
export const clusterFile = z.strictObject({
  name: text('The cluster\'s name.', format.dnsLabel),
  environment: text('What it is for: dev, stage, prod, …; prod unless told.', format.dnsLabel).optional(),
  talos,
  kubernetes: z.strictObject({ version: text('Kubernetes version.', format.version('E_INVENTORY_KUBERNETES_VERSION'), ['1.34.4']) }),
  network,
  nodes: z.array(node).meta({ description: 'The machines.' }),
  switch: powerSwitch.meta({ description: 'The PoE switch; without it boards are powered by hand.' }).optional(),
  reader: cardReader.meta({ description: 'The machine whose card readers the cards are written in; without it they are in this one.' }).optional(),
  nas: nas.meta({ description: 'The Synology with iSCSI; without it there is no storage step.' }).optional(),
  gitops: gitops.meta({ description: 'The GitOps repository; without it Flux is not installed.' }).optional(),
  vault: vault.meta({ description: 'The Azure Key Vault that External Secrets reads; without it every secret is under SOPS.' }).optional(),
  backup: backup.meta({ description: 'Where backups go, and how many stay.' }).optional(),
  rehearsal: rehearsal.meta({ description: 'What a rehearsal forecasts with, and what it is held against.' }).optional(),
  secrets: z.strictObject({ recipients: z.array(recipient).meta({ description: 'Who can decrypt: at least two, exactly one of them the cluster.' }) }),
}).meta({ title: 'firstlight cluster.yaml', description: 'A Talos cluster on Raspberry Pi boards, as its owner declares it.' });

/** cluster.yaml as written: right in form, without defaults. */
export type ClusterFile = z.infer<typeof clusterFile>;

/** The JSON Schema (draft 2020-12) for editors. */
export function clusterJsonSchema(): Record<string, unknown> {
  return z.toJSONSchema(clusterFile, { io: 'input' }) as Record<string, unknown>;
}
