import { FirstlightError, problem } from '../../../lib/errors.ts';

/** What the AWS client throws, as far as it is looked at: it also holds the request, which is never kept. */
type Thrown = { readonly name?: string; readonly code?: unknown; readonly message?: string; readonly $metadata?: { readonly httpStatusCode?: number } };

const KEYS = ['InvalidAccessKeyId', 'SignatureDoesNotMatch', 'InvalidToken', 'ExpiredToken', 'AuthFailure'];
const REGION = ['PermanentRedirect', 'AuthorizationHeaderMalformed', 'IllegalLocationConstraintException', 'MovedPermanently'];
const LINE = ['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH', 'ETIMEDOUT', 'ECONNRESET', 'EPIPE', 'EADDRNOTAVAIL'];
const TLS = /CERT|TLS|SSL|SELF_SIGNED|UNABLE_TO_(VERIFY|GET)/;

/** The status of an answer that says no; undefined where there was no answer. */
export function statusOf(error: unknown): number | undefined {
  return (error as Thrown).$metadata?.httpStatusCode;
}

/** The name of S3's error (`NoSuchBucket`, …), or of the failure that kept an answer from coming. */
export function nameOf(error: unknown): string {
  const { name, code } = error as Thrown;
  return typeof code === 'string' && (name === undefined || name === 'Error' || name === 'TimeoutError') ? code : name ?? 'unknown';
}

/**
 * What went wrong at an S3 bucket in words, without what the client threw: that holds headers, signature and key id.
 * `where` names bucket and endpoint. Gives `E_S3_BUCKET`, `_KEYS`, `_REFUSED`, `_REGION`, `_CLOCK`, `_UNREACHABLE`, `_CERTIFICATE`, `_BUSY`, `E_PLACE_FULL`, `E_S3`.
 */
export function s3Problem(error: unknown, where: string): Error {
  if (error instanceof FirstlightError) return error;
  const name = nameOf(error);
  const status = statusOf(error);
  const told = (code: string, message: string, hint: string): FirstlightError => problem(code, `${where} ${message}`, hint);
  if (name === 'NoSuchBucket') return told('E_S3_BUCKET', 'does not exist', 'Make the bucket, or mend its name or the endpoint in cluster.yaml.');
  if (KEYS.includes(name)) return told('E_S3_KEYS', `does not take the keys (${name})`, 'Put accessKeyId and secretAccessKey of that account into credentials.sops.yaml with `sops edit`.');
  if (name === 'RequestTimeTooSkewed') return told('E_S3_CLOCK', 'says that this machine\'s clock is wrong', 'Set the clock (NTP), and run again.');
  if (REGION.includes(name)) return told('E_S3_REGION', `is in another region (${name})`, 'Mend region in cluster.yaml: the provider\'s page of the bucket tells it.');
  if (['QuotaExceeded', 'StorageFull', 'XMinioStorageFull', 'InsufficientStorage'].includes(name) || status === 507) return told('E_PLACE_FULL', `has no room left (${name})`, 'Make room, or keep fewer backups (backup.keep in cluster.yaml).');
  if (name === 'AccessDenied' || status === 403) return told('E_S3_REFUSED', 'refuses', 'The keys need s3:ListBucket on the bucket, and s3:GetObject, s3:PutObject, s3:DeleteObject and s3:AbortMultipartUpload on what is in it.');
  if (name === 'SlowDown' || status === 503 || status === 429) return told('E_S3_BUSY', 'asks for fewer requests', 'Run again in a while.');
  if (LINE.includes(name) || name === 'TimeoutError') return told('E_S3_UNREACHABLE', `can't be reached (${name})`, 'Look at the network, and at the endpoint in cluster.yaml.');
  if (TLS.test(name)) return told('E_S3_CERTIFICATE', `shows a certificate that nobody here trusts (${name})`, 'Where an authority of your own signed it, name its PEM file as ca; else somebody stands between.');
  return told('E_S3', `failed (${name}${status === undefined ? '' : `, ${status}`})`, 'Look at the provider\'s status page and run again.');
}
