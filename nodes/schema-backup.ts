import * as z from 'zod';
import { backupFolder, bucketName, bucketPrefix, s3Endpoint, sftpUrl } from './formats-backup.ts';
import * as format from './formats.ts';
import { filled, text } from './schema-parts.ts';

const count = (what: string, unless: number) => z.int().min(0).max(1000).meta({ description: `${what}; ${unless} unless told.` }).optional();

const place = z.strictObject({
  name: text('What it is called.', format.dnsLabel, ['nas']),
  folder: text('A folder of this machine: beside cluster.yaml it is made, elsewhere it must be there (a stick, a mounted share).', backupFolder, ['./backups']).optional(),
  sftp: z.strictObject({
    url: text('A folder of another machine. The password or privateKey is in credentials.sops.yaml, under places and its name.', sftpUrl, ['sftp://backup@192.168.77.5/volume1/backups/gandalf']),
    hostKey: text('Fingerprint of that machine\'s host key.', format.hostKeyFingerprint),
  }).meta({ description: 'The NAS, or any machine with SSH.' }).optional(),
  s3: z.strictObject({
    bucket: text('The bucket.', bucketName),
    prefix: text('What the names in it begin with.', bucketPrefix, ['gandalf']).optional(),
    region: text('Its region; us-east-1 unless told.', filled, ['eu-central-1']).optional(),
    endpoint: text('The server, where it is not Amazon\'s.', s3Endpoint, ['https://s3.example.com']).optional(),
    ca: text('A PEM file with the authority that signed the server\'s certificate; its path as seen from the cluster\'s folder.', format.matches(/^[^\s~].*\.(pem|crt)$/, 'E_INVENTORY_CA', 'a path to a PEM file', 'Name the authority\'s certificate, as ./s3-ca.pem.')).optional(),
  }).meta({ description: 'A bucket of any server that speaks S3. accessKeyId and secretAccessKey are in credentials.sops.yaml, under places and its name.' }).optional(),
});

/** The section `backup`. */
export const backup = z.strictObject({
  places: z.array(place).min(1).meta({ description: 'Where backups go, each a folder, an SFTP folder or a bucket; the folder backups beside cluster.yaml unless told.' }).optional(),
  keep: z.strictObject({
    last: count('How many of the last', 7), daily: count('How many days\' newest', 7), weekly: count('How many weeks\' newest', 4), monthly: count('How many months\' newest', 6),
  }).meta({ description: 'How many backups stay in each place. The newest, and the newest that was proven, always do.' }).optional(),
});
