import * as z from 'zod';
import * as format from './formats.ts';
import { address, filled, port, text } from './schema-parts.ts';

const chapUser = format.matches(/^[A-Za-z0-9][A-Za-z0-9._:-]{0,62}$/, 'E_INVENTORY_CHAP_USER', 'a CHAP user', 'Use 1 to 63 letters, digits, dots, colons, hyphens and underscores.');

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

/** The section `nas`. */
export const nas = z.strictObject({
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
