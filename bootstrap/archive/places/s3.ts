import type { S3Client } from '@aws-sdk/client-s3';
import { createReadStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { problem } from '../../../lib/errors.ts';
import type { Host } from '../../../lib/host.ts';
import { archiveTime, type Place, type Stored } from './place.ts';
import { nameOf, s3Problem, statusOf } from './s3-errors.ts';
import { digestOf, existsProblem, missingProblem, readBackProblem, readPieces, receive, sizeOf, teller } from './transfer.ts';

/** A bucket, Amazon's or of any server that speaks S3. Both keys are secret. */
export type S3Options = {
  readonly name: string;
  readonly bucket: string;
  /** What the names of the objects begin with, without slashes at its ends; '' for none. */
  readonly prefix: string;
  readonly region: string;
  /** Where it is not Amazon's: `https://s3.example.com`. */
  readonly endpoint?: string;
  /** Absolute path of the PEM file with the authority that signed the endpoint's certificate. */
  readonly ca?: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly cluster: string;
  /** Bytes of one part of a large archive, 8 MiB unless told; S3 takes no less than 5 MiB. */
  readonly partBytes?: number;
  /** When an object was made (ISO 8601, UTC), by its name; undefined for one that is not listed. By the archives' names unless told. */
  readonly timeOf?: (name: string) => string | undefined;
  /** Milliseconds without a byte after which a try is given up (there are three); 60,000 unless told. */
  readonly silentMs?: number;
};

const PART = 8 * 2 ** 20;
/** Milliseconds to connect, and without a byte. */
const CONNECT_MS = 10_000;
const SILENT_MS = 60_000;
/** The SHA-256 of the whole archive, kept with the object: S3's own checksum of a large one is made of those of its parts. */
const DIGEST = 'firstlight-sha256';

/**
 * Backups in a bucket. Each part is sent with its checksum; an object is there whole or not at all, and is put on the condition that the name is
 * free. Read again and compared. Throws what `s3Problem` tells, `E_PLACE_EXISTS`, `E_PLACE_MISSING`, `E_PLACE_READ_BACK`, `E_PLACE_CUT`, `E_S3_CA`.
 */
export function s3Place(host: Host, options: S3Options): Place {
  const { name: title, bucket, prefix, cluster } = options;
  for (const secret of [options.accessKeyId, options.secretAccessKey]) host.mask.add(secret);
  const where = `the bucket ${bucket}${prefix === '' ? '' : `/${prefix}`}${options.endpoint === undefined ? '' : ` at ${options.endpoint}`}`;
  const keyOf = (name: string): string => (prefix === '' ? name : `${prefix}/${name}`);
  const timeOf = options.timeOf ?? ((name: string) => archiveTime(cluster, name));
  let client: S3Client | undefined;
  const call = async <T>(work: (s3: typeof import('@aws-sdk/client-s3'), client: S3Client) => Promise<T>): Promise<T> => {
    host.signal.throwIfAborted();
    // Loaded only where a bucket is spoken to.
    const s3 = await import('@aws-sdk/client-s3');
    client ??= await connect(s3, options);
    try {
      return await work(s3, client);
    } catch (error) {
      host.signal.throwIfAborted();
      throw s3Problem(error, where);
    }
  };
  const abort = { abortSignal: host.signal };
  const about = (s3: typeof import('@aws-sdk/client-s3'), to: S3Client, name: string) => to.send(new s3.HeadObjectCommand({ Bucket: bucket, Key: keyOf(name) }), abort)
    .catch((error: unknown) => {
      if (statusOf(error) === 404 && nameOf(error) !== 'NoSuchBucket') return undefined;
      throw error;
    });
  const pieces = async (s3: typeof import('@aws-sdk/client-s3'), from: S3Client, name: string): Promise<AsyncIterable<Uint8Array>> => {
    const { Body } = await from.send(new s3.GetObjectCommand({ Bucket: bucket, Key: keyOf(name) }), abort);
    return Body as unknown as AsyncIterable<Uint8Array>;
  };
  return {
    kind: 's3', name: title, where,
    put: (name, file) => call(async (s3, to) => {
      const total = await sizeOf(file);
      if (await about(s3, to, name)) throw existsProblem(where, name);
      const digest = await digestOf(readPieces(host, file).pieces);
      await upload(host, to, options, { Key: keyOf(name), Metadata: { [DIGEST]: digest } }, { name, file, total }, where).catch(async (error: unknown) => {
        host.signal.throwIfAborted();
        // The answer to a try may have been lost: then the next one finds the name taken, or its parts gone, by this very archive.
        if ((await about(s3, to, name).catch(() => undefined))?.Metadata?.[DIGEST] !== digest) throw error;
      });
      const back = await digestOf(told(await pieces(s3, to, name), teller(host, name, 'verify', total)));
      if (back === digest) return;
      await to.send(new s3.DeleteObjectCommand({ Bucket: bucket, Key: keyOf(name) }), abort);
      throw readBackProblem(where, name);
    }),
    get: (name, file) => call(async (s3, from) => {
      const found = await about(s3, from, name);
      if (!found) throw missingProblem(where, name);
      const total = found.ContentLength ?? 0;
      await receive(host, file, await pieces(s3, from, name), { bytes: total, sha256: found.Metadata?.[DIGEST] }, teller(host, name, 'download', total));
    }),
    list: () => call(async (s3, from) => {
      const stored: Stored[] = [];
      const within = prefix === '' ? '' : `${prefix}/`;
      for await (const page of s3.paginateListObjectsV2({ client: from }, { Bucket: bucket, Prefix: `${within}${cluster}-`, Delimiter: '/' }, abort)) {
        for (const { Key = '', Size = 0 } of page.Contents ?? []) {
          const name = Key.slice(within.length);
          const at = timeOf(name);
          if (at !== undefined) stored.push({ name, bytes: Size, at });
        }
      }
      return stored;
    }),
    remove: (name) => call(async (s3, at) => { await at.send(new s3.DeleteObjectCommand({ Bucket: bucket, Key: keyOf(name) }), abort); }),
    async close() {
      client?.destroy();
      client = undefined;
    },
  };
}

async function connect(s3: typeof import('@aws-sdk/client-s3'), { region, endpoint, ca, accessKeyId, secretAccessKey, silentMs }: S3Options): Promise<S3Client> {
  return new s3.S3Client({
    region, credentials: { accessKeyId, secretAccessKey }, maxAttempts: 3,
    // Servers other than Amazon's are mostly reached by one name for all buckets.
    ...(endpoint === undefined ? {} : { endpoint, forcePathStyle: true }),
    requestHandler: { connectionTimeout: CONNECT_MS, socketTimeout: silentMs ?? SILENT_MS, ...(ca === undefined ? {} : { httpsAgent: { ca: await authorityOf(ca) } }) },
  });
}

type Sent = { readonly name: string; readonly file: string; readonly total: number };

async function upload(host: Host, client: S3Client, { bucket, partBytes }: S3Options, object: { readonly Key: string; readonly Metadata: Record<string, string> }, { name, file, total }: Sent, where: string): Promise<void> {
  const { Upload } = await import('@aws-sdk/lib-storage');
  const attempt = async (onlyIfFree: boolean): Promise<void> => {
    const sending = new Upload({
      client, queueSize: 2, partSize: partBytes ?? PART, leavePartsOnError: false,
      params: { Bucket: bucket, ...object, Body: createReadStream(file), ContentType: 'application/octet-stream', ChecksumAlgorithm: 'SHA256', ...(onlyIfFree ? { IfNoneMatch: '*' } : {}) },
    });
    const tell = teller(host, name, 'upload', total);
    sending.on('httpUploadProgress', ({ loaded = 0 }) => tell(loaded));
    const onAbort = (): void => void sending.abort();
    host.signal.addEventListener('abort', onAbort, { once: true });
    try {
      await sending.done();
    } finally {
      host.signal.removeEventListener('abort', onAbort);
    }
  };
  try {
    await attempt(true);
  } catch (error) {
    host.signal.throwIfAborted();
    if (statusOf(error) === 412 || nameOf(error) === 'ConditionalRequestConflict') throw existsProblem(where, name);
    if (nameOf(error) !== 'NotImplemented') throw error;
    // Some servers know no conditions: that the name was free a moment ago is all that can be had there.
    await attempt(false);
  }
}

async function* told(pieces: AsyncIterable<Uint8Array>, tell: (bytes: number) => void): AsyncIterable<Uint8Array> {
  let bytes = 0;
  for await (const piece of pieces) {
    bytes += piece.byteLength;
    tell(bytes);
    yield piece;
  }
}

async function authorityOf(path: string): Promise<string> {
  const text = await readFile(path, 'utf8').catch(() => '');
  if (text.includes('-----BEGIN CERTIFICATE-----')) return text;
  throw problem('E_S3_CA', `${path} is not a certificate in PEM`, 'Put the authority’s certificate there, or take ca out of cluster.yaml.', { where: { file: path } });
}
