import { addressComplaint, subnetComplaint, type Complaint } from './addresses.ts';
import { nearest } from './nearest.ts';
import { powerDriverNames } from './power-drivers.ts';

/** Judges one text; undefined when it is well formed. `pattern`, where there is one, goes into the JSON Schema for editors. */
export type Judge = { (text: string): Complaint | undefined; readonly pattern?: string };

/** A judge that wants the whole text to match. `what` completes "… is not". */
export function matches(pattern: RegExp, code: string, what: string, hint: string): Judge {
  const judge = (text: string): Complaint | undefined => (pattern.test(text) ? undefined : { code, message: `"${text}" is not ${what}`, hint });
  return pattern.flags === '' ? Object.assign(judge, { pattern: pattern.source }) : judge;
}

const LABEL = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;
const HOST = /^(?=.{1,253}$)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$/;

/** A DNS label (RFC 1123): cluster and node names become host names. */
export const dnsLabel = matches(LABEL, 'E_INVENTORY_NAME', 'a DNS label',
  'Use 1 to 63 small letters, digits and hyphens, beginning and ending with a letter or digit.');

/** A host name or a dotted IPv4 address. Four numbers with dots are always judged as an address. */
export function hostName(text: string): Complaint | undefined {
  if (/^[\d.]+$/.test(text)) return addressComplaint(text);
  return HOST.test(text) ? undefined
    : { code: 'E_INVENTORY_HOST', message: `"${text}" is not a host name`, hint: 'Write a name like time.cloudflare.com, in small letters, or a dotted IPv4 address.' };
}

/** A unicast MAC address, with colons or hyphens. */
export function macAddress(text: string): Complaint | undefined {
  const hint = 'Read it from the sticker on the board: six pairs like dc:a6:32:01:02:03.';
  if (!/^[0-9a-f]{2}([:-])[0-9a-f]{2}(\1[0-9a-f]{2}){4}$/i.test(text)) return { code: 'E_INVENTORY_MAC', message: `"${text}" is not a MAC address`, hint };
  const first = Number.parseInt(text.slice(0, 2), 16);
  if ((first & 1) === 1) return { code: 'E_INVENTORY_MAC_MULTICAST', message: `"${text}" is a multicast address (the first byte is odd): no board has it`, hint };
  return /^[0:-]+$/.test(text) ? { code: 'E_INVENTORY_MAC', message: `"${text}" is all zeros: no board has it`, hint } : undefined;
}

/** A MAC address in the one form firstlight uses: small letters and colons. */
export function plainMac(text: string): string {
  return text.toLowerCase().replaceAll('-', ':');
}

/** `1.11.0`, with or without a leading v. */
export function version(code: string): Judge {
  return matches(/^v?(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)$/, code, 'a version', 'Write all three numbers, like 1.11.0.');
}

/** A web address with explicit port and nothing after it. */
export const endpointUrl = matches(/^https:\/\/[^/:@?#\s]+:[1-9]\d{0,4}$/, 'E_INVENTORY_ENDPOINT', 'the URL of a Kubernetes API',
  'Write https://, an address or name, a colon and the port: https://192.168.77.11:6443.');

/** OpenSSH's fingerprint of a host key. */
export const hostKeyFingerprint = matches(/^SHA256:[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]$/, 'E_INVENTORY_FINGERPRINT', 'the SHA256 fingerprint of a host key',
  'Print it with: ssh-keyscan ADDRESS | ssh-keygen -lf - ; it begins with SHA256: and has 43 letters after it.');

/** A line of known_hosts without the host: type and key, which must agree. */
export function hostKeyLine(text: string): Complaint | undefined {
  const hint = 'Print it with: ssh-keyscan HOST ; write the two words after the host: ssh-ed25519 AAAA… ; github.com and gitlab.com publish theirs in their documentation.';
  const [type = '', key = '', ...rest] = text.split(' ');
  const blob = Buffer.from(key, 'base64');
  const good = rest.length === 0 && /^[A-Za-z0-9+/]+={0,2}$/.test(key) && blob.length > 4 + type.length
    && blob.readUInt32BE(0) === type.length && blob.subarray(4, 4 + type.length).toString('latin1') === type;
  return good && type !== '' ? undefined : { code: 'E_INVENTORY_HOST_KEY', message: 'this is not a public host key', hint };
}

/** The name of a switch driver. */
export function driverName(text: string): Complaint | undefined {
  const known = powerDriverNames();
  if (known.includes(text)) return undefined;
  const meant = nearest(text, known);
  return { code: 'E_INVENTORY_DRIVER', message: `no switch driver is called "${text}"`, hint: `${meant === undefined ? '' : `Did you mean ${meant}? `}There are: ${known.join(', ')}.` };
}

/** `20GiB`; MiB, GiB and TiB, whole and positive. */
export const binarySize = matches(/^[1-9]\d{0,6}(MiB|GiB|TiB)$/, 'E_INVENTORY_SIZE', 'a size', 'Write a whole number above zero and MiB, GiB or TiB, like 20GiB.');

/** The bytes of a well-formed size. */
export function sizeInBytes(text: string): number {
  const unit = { MiB: 2 ** 20, GiB: 2 ** 30, TiB: 2 ** 40 }[text.slice(-3)] ?? Number.NaN;
  return Number.parseInt(text, 10) * unit;
}

/** An iSCSI qualified name (RFC 3720, 3.2.6.3.1). */
export const iqn = matches(/^(?=.{1,223}$)iqn\.\d{4}-(0[1-9]|1[0-2])\.[a-z0-9][a-z0-9.-]*(:[A-Za-z0-9.:_-]+)?$/, 'E_INVENTORY_IQN', 'an iSCSI qualified name',
  'Write iqn., year-month, the domain backwards and, after a colon, a name, as SAN Manager shows it: iqn.2000-01.com.synology:gandalf-data.');

/** SHA-256 of a certificate in hex, colons allowed. */
export const certificatePin = matches(/^([0-9a-f]{64}|[0-9a-f]{2}(:[0-9a-f]{2}){31})$/i, 'E_INVENTORY_CERTIFICATE', 'the SHA-256 of a certificate',
  'Print it with: openssl s_client -connect ADDRESS:5001 </dev/null | openssl x509 -noout -fingerprint -sha256');

export { addressComplaint as ipv4, subnetComplaint as subnet };
