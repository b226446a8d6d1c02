import type { Complaint } from './addresses.ts';
import { hostName, matches } from './formats.ts';

const SFTP = /^sftp:\/\/([A-Za-z0-9_][\w.-]*)@([^/:@\s]+)(?::(\d{1,5}))?(\/[^\s?#]*[^\s?#/])$/;

/** A folder for backups on another machine, `sftp://user@host[:port]/path`. A password in it is refused without being repeated. */
export function sftpUrl(text: string): Complaint | undefined {
  const code = 'E_INVENTORY_SFTP_URL';
  const hint = 'Write sftp://USER@HOST/FOLDER, with :PORT after the host where SSH does not listen on 22; the folder as the server names it.';
  if (/^\w+:\/\/[^/@]*:[^/@]*@/.test(text)) {
    return { code: 'E_INVENTORY_SECRET_IN_FILE', message: 'the URL holds a password', hint: 'Take it out and change it; the password, or a private key, belongs into credentials.sops.yaml under places.' };
  }
  const parts = SFTP.exec(text);
  if (parts === null) return { code, message: `"${text}" is not the SFTP URL of a folder`, hint };
  const [, , host = '', port, path = ''] = parts;
  if (path.split('/').includes('..')) return { code, message: `"${text}" climbs out of its folder`, hint };
  if (port !== undefined && (Number(port) < 1 || Number(port) > 65_535)) return { code, message: `${port} is not a port`, hint };
  return hostName(host);
}

/** A well-formed SFTP URL in its parts; port 22 unless told. */
export function sftpParts(text: string): { readonly user: string; readonly host: string; readonly port: number; readonly path: string } {
  const [, user = '', host = '', port, path = ''] = SFTP.exec(text) ?? [];
  return { user, host, port: Number(port ?? 22), path };
}

/** The address of a server that speaks S3. Plain http would show others what is asked for, not what is in the archives. */
export const s3Endpoint = matches(/^https?:\/\/[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:[1-9]\d{0,4})?$/, 'E_INVENTORY_S3_ENDPOINT', 'the address of an S3 server', 'Write https://s3.example.com, with :PORT where it needs one, and nothing after it; the bucket is a key of its own.');

/** A bucket's name (docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html). */
export const bucketName = matches(/^(?!\d+\.\d+\.\d+\.\d+$)[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/, 'E_INVENTORY_BUCKET', 'the name of a bucket', 'Use 3 to 63 small letters, digits, dots and hyphens, beginning and ending with a letter or digit.');

/** What the names in a bucket begin with. */
export const bucketPrefix = matches(/^[\w.-]+(\/[\w.-]+)*$/, 'E_INVENTORY_BUCKET_PREFIX', 'a prefix', 'Write it like backups/gandalf, without slashes at its ends.');

/** A folder for backups; those of the cluster's own folder begin with a dot. */
export const backupFolder = matches(/^(\.\/|\/)(?!.*(^|\/)\.\.(\/|$)).*[^/\s]$/, 'E_INVENTORY_BACKUP_FOLDER', 'a folder', 'Write ./backups for one beside cluster.yaml, or the whole path, as /mnt/stick/gandalf.');
