import * as z from 'zod';
import * as format from './formats.ts';
import { branchName, gitApi, gitopsPath, gitUrl, PUBLISHED_HOST_KEYS } from './formats-git.ts';
import { readerUrl } from './formats-reader.ts';
import { ageRecipient, cardDevice } from './formats-secret.ts';
import { clientId, httpsOrigin, manifestPath, secretKey, tenant, vaultSecretName } from './formats-vault.ts';

// The schema only judges form; it changes nothing. Defaults and conversions are in to-cluster.ts, connections between values in rules.ts.

function text(description: string, judge: format.Judge | undefined, examples: readonly string[] = []) {
  const base = z.string().superRefine((value, context) => {
    const complaint = judge?.(value);
    if (complaint !== undefined) context.addIssue({ code: 'custom', message: complaint.message, params: { code: complaint.code, hint: complaint.hint } });
  });
  return base.meta({ description, ...(judge?.pattern === undefined ? {} : { pattern: judge.pattern }), ...(examples.length === 0 ? {} : { examples }) });
}

const filled = format.matches(/^\S(.*\S)?$/, 'E_INVENTORY_EMPTY', 'a name without spaces around it', 'Write the name, or take the key out.');
const address = (description: string) => text(description, format.ipv4, ['192.168.77.11']);
const port = (description: string) => z.int().min(1).max(65_535).meta({ description });

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

const powerSwitch = z.strictObject({
  address: address('The PoE switch.'),
  sshPort: port('Its SSH port; 22 unless told.').optional(),
  user: text('Its SSH user; the password is in credentials.sops.yaml.', filled),
  hostKey: text('Fingerprint of its host key.', format.hostKeyFingerprint),
  driver: text('Its kind.', format.driverName, ['unifi', 'openwrt', 'routeros']),
});

const chapUser = format.matches(/^[A-Za-z0-9][A-Za-z0-9._:-]{0,62}$/, 'E_INVENTORY_CHAP_USER', 'a CHAP user', 'Use 1 to 63 letters, digits, dots, colons, hyphens and underscores.');

const cardReader = z.strictObject({
  url: text('Where it is and as whom: a Linux machine with python3. Log-in is by your SSH agent, or by readerKey in credentials.sops.yaml.', readerUrl, ['ssh://pi@192.168.77.9']),
  hostKey: text('Fingerprint of that machine\'s host key.', format.hostKeyFingerprint),
});

const lun = z.strictObject({
  name: text('The LUN\'s name.', format.dnsLabel),
  size: text('Its size.', format.binarySize, ['20GiB']),
  iqn: text('The target\'s name.', format.iqn, ['iqn.2000-01.com.synology:gandalf-data']),
  user: text('The CHAP user; the secret is in credentials.sops.yaml.', chapUser),
  mutualUser: text('For mutual CHAP: the user by which the target proves itself; its secret is in credentials.sops.yaml.', chapUser).optional(),
  uuid: text('The LUN\'s uuid, for one that is there already: no other is taken or made in its place.', format.matches(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/, 'E_INVENTORY_LUN_UUID', 'the uuid of a LUN', 'Take it from `firstlight storage list`: 8-4-4-4-12 small hex digits.')).optional(),
  claim: z.strictObject({
    namespace: text('Its namespace.', format.dnsLabel),
    name: text('Its name.', format.dnsLabel),
    fsType: z.enum(['ext4', 'xfs']).meta({ description: 'The file system that Kubernetes makes on an empty LUN and expects on any other; ext4 unless told.' }).optional(),
  }).meta({ description: 'The PersistentVolumeClaim that the LUN is for; without it Kubernetes is not told of the LUN.' }).optional(),
});

const nas = z.strictObject({
  address: address('The Synology.'),
  https: z.boolean().meta({ description: 'Speak https to DSM; true unless told.' }).optional(),
  port: port('DSM\'s port; 5001 for https and 5000 for http unless told.').optional(),
  certificate: text('SHA-256 of DSM\'s certificate, where it is self-signed.', format.certificatePin).optional(),
  ca: text('A PEM file with the authority that signed DSM\'s certificate; its path as seen from the cluster\'s folder.', format.matches(/^[^\s~].*\.(pem|crt)$/, 'E_INVENTORY_CA', 'a path to a PEM file', 'Name the authority\'s certificate, as ./nas-ca.pem.'), ['./nas-ca.pem']).optional(),
  user: text('The DSM user; the password is in credentials.sops.yaml.', filled),
  iscsiPort: port('The iSCSI portal\'s port; 3260 unless told.').optional(),
  volume: text('The volume for the LUNs; /volume1 unless told.', format.matches(/^\/volume[1-9]\d*$/, 'E_INVENTORY_VOLUME', 'a DSM volume', 'Write it like /volume1.')).optional(),
  luns: z.array(lun).meta({ description: 'The LUNs to create or adopt.' }),
});

const gitops = z.strictObject({
  url: text('The repository that Flux reads.', gitUrl, ['ssh://git@192.168.77.6:22/homelab.git']),
  branch: text('Its branch; main unless told.', branchName).optional(),
  path: text('The cluster\'s folder in it; clusters/<name> unless told.', gitopsPath).optional(),
  hostKey: text(`The git host's public key: type and key as in known_hosts. Published for github.com at ${PUBLISHED_HOST_KEYS['github.com']}, for gitlab.com at ${PUBLISHED_HOST_KEYS['gitlab.com']}.`, format.hostKeyLine),
  host: z.strictObject({
    kind: z.enum(['github', 'gitlab', 'gitea']).meta({ description: 'Whose API it has; gitea for Forgejo too.' }),
    api: text('The API\'s address; unless told https://, the host of url, and /api/v3 for github, /api/v4 for gitlab, /api/v1 for gitea.', gitApi, ['https://git.example.com/api/v1']).optional(),
  }).meta({ description: 'The git host\'s REST API, by which `firstlight git-key --install` gives the deploy key access; known for github.com and gitlab.com.' }).optional(),
});

const storedSecret = z.strictObject({
  name: text('Its name in the vault.', vaultSecretName, ['gandalf-podinfo-token']),
  store: z.enum(['vault', 'sops']).meta({ description: 'Where its value is kept: in the vault, or in the repository under SOPS. `firstlight secrets move` brings it from one to the other.' }),
  path: text('Its manifest in the GitOps repository, without the ending: .sops.yaml under SOPS, .external.yaml for the vault.', manifestPath, ['apps/gandalf/podinfo-token']),
  namespace: text('The namespace of the Kubernetes Secret that it becomes.', format.dnsLabel),
  secret: text('The name of that Secret; the last part of path unless told.', format.matches(/^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/, 'E_INVENTORY_NAME', 'the name of a Secret', 'Use small letters, digits, hyphens and dots.')).optional(),
  key: text('Its key in that Secret.', secretKey, ['token']),
});

const vault = z.strictObject({
  url: text('The vault\'s address.', httpsOrigin('https://gandalf.vault.azure.net'), ['https://gandalf.vault.azure.net']),
  tenant: text('The Microsoft Entra tenant of the service principal that reads it.', tenant),
  clientId: text('That service principal\'s application (client) id; its secret is vaultClientSecret in credentials.sops.yaml.', clientId),
  authority: text('Where to log in; https://login.microsoftonline.com unless told.', httpsOrigin('https://login.microsoftonline.us')).optional(),
  ca: text('A PEM file with the authority that signed the certificates of vault and log-in, where it is one of your own; its path as seen from the cluster\'s folder.', format.matches(/^[^\s~].*\.(pem|crt)$/, 'E_INVENTORY_CA', 'a path to a PEM file', 'Name the authority\'s certificate, as ./vault-ca.pem.')).optional(),
  secrets: z.array(storedSecret).meta({ description: 'The secrets that may be in the vault, each with the store that it belongs in.' }),
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
  secrets: z.strictObject({ recipients: z.array(recipient).meta({ description: 'Who can decrypt: at least two, exactly one of them the cluster.' }) }),
}).meta({ title: 'firstlight cluster.yaml', description: 'A Talos cluster on Raspberry Pi boards, as its owner declares it.' });

/** cluster.yaml as written: right in form, without defaults. */
export type ClusterFile = z.infer<typeof clusterFile>;

/** The JSON Schema (draft 2020-12) for editors. */
export function clusterJsonSchema(): Record<string, unknown> {
  return z.toJSONSchema(clusterFile, { io: 'input' }) as Record<string, unknown>;
}
