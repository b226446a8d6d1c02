import { X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { connect as connectPlain, isIP, type Socket } from 'node:net';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { isAbort, problem, FirstlightError } from '../../lib/errors.ts';
import type { Nas } from '../../nodes/cluster.ts';
import { eitherSignal } from '../../lib/signals.ts';

/** Where and how to reach DSM. */
export type DsmAddress = Pick<Nas, 'address' | 'port' | 'https' | 'certificate' | 'ca'>;

/** The certificate DSM shows. `fingerprint` is its SHA-256 in hex; `fault` why this machine's authorities don't vouch for it. */
export type ShownCertificate = { readonly fingerprint: string; readonly subject: string; readonly validTo: string; readonly fault: string | undefined };

/** One form to post. `path` is below `/webapi/`; secrets travel in the body or the headers, never in the path. */
export type DsmPost = {
  readonly path: string;
  readonly form: URLSearchParams;
  readonly headers: Readonly<Record<string, string>>;
  /** Milliseconds for the whole of it: connect, handshake, answer. */
  readonly deadlineMs: number;
};

const LONGEST_ANSWER = 8 * 1024 * 1024;

/**
 * Posts one form and gives the answer's text. TLS is verified before the first byte is sent: against the pinned SHA-256
 * where there is one, else against the cluster's own authority (`ca`), else against the system's. Throws `E_DSM_UNREACHABLE`,
 * `E_DSM_CERTIFICATE`, `E_DSM_CA`, `E_DSM_DEADLINE`, `E_DSM_ANSWER` (not HTTP 200), or the abort of `signal`.
 */
export async function postForm(nas: DsmAddress, post: DsmPost, signal: AbortSignal): Promise<string> {
  return await within(nas, post.deadlineMs, signal, async (either) => {
    const socket = nas.https ? await openTls(nas, either) : await openPlain(nas, either);
    try {
      return await exchange(socket, nas, post, either);
    } finally {
      socket.destroy();
    }
  });
}

/**
 * Looks at the certificate: a TLS handshake and nothing else, so a certificate of nobody's can be shown to a person. Throws
 * `E_DSM_UNREACHABLE`, `E_DSM_DEADLINE`, or the abort of `signal`.
 */
export async function showCertificate(nas: DsmAddress, signal: AbortSignal): Promise<ShownCertificate> {
  return await within(nas, 10_000, signal, (either) => new Promise((resolve, reject) => {
    const socket = connectTls({ ...tlsTo(nas), rejectUnauthorized: false });
    settle(socket, 'secureConnect', either, () => {
      const { subject, valid_to: validTo } = socket.getPeerCertificate();
      const fault = socket.authorized ? undefined : String((socket.authorizationError as { code?: unknown } | null)?.code ?? socket.authorizationError ?? 'not trusted');
      resolve({ fingerprint: fingerprint(socket), subject: String(subject?.CN ?? 'nobody'), validTo, fault });
      socket.destroy();
    }, reject);
  }));
}

/** A fingerprint in the one form they are compared in: small hex digits without colons. */
export function plainFingerprint(text: string): string {
  return text.replaceAll(':', '').toLowerCase();
}

/** Lets `work` go on until the deadline; whatever it fails with becomes a coded error. */
async function within<T>(nas: DsmAddress, deadlineMs: number, signal: AbortSignal, work: (either: AbortSignal) => Promise<T>): Promise<T> {
  const deadline = AbortSignal.timeout(deadlineMs);
  try {
    return await work(eitherSignal(signal, deadline));
  } catch (error) {
    if (error instanceof FirstlightError) throw error;
    if (signal.aborted) throw signal.reason;
    if (deadline.aborted || isAbort(error)) {
      throw problem('E_DSM_DEADLINE', `the NAS at ${nas.address}:${nas.port} gave no answer within ${Math.round(deadlineMs / 1000)} s`,
        'See whether DSM is up (its web page opens) and not busy with a repair or update, then run again.');
    }
    throw unreachable(nas, error);
  }
}

function openPlain(nas: DsmAddress, signal: AbortSignal): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connectPlain({ host: nas.address, port: nas.port });
    settle(socket, 'connect', signal, () => resolve(socket), reject);
  });
}

async function openTls(nas: DsmAddress, signal: AbortSignal): Promise<Socket> {
  const pin = nas.certificate === undefined ? undefined : plainFingerprint(nas.certificate);
  const ca = nas.ca === undefined ? undefined : await readAuthority(nas.ca);
  return await new Promise((resolve, reject) => {
    // With a pin the chain says nothing: the pin itself is compared below, before anything is sent.
    const socket = connectTls({ ...tlsTo(nas), ...(ca === undefined ? {} : { ca }), rejectUnauthorized: pin === undefined });
    const checked = (): void => {
      const shown = fingerprint(socket);
      if (pin === undefined || shown === pin) return resolve(socket);
      socket.destroy();
      reject(problem('E_DSM_CERTIFICATE', `the NAS at ${nas.address}:${nas.port} shows another certificate than the pinned one: it shows ${shown}, pinned is ${pin}`,
        'If DSM’s certificate was renewed, compare with what a browser shows for DSM’s page and write its SHA-256 as `certificate` of the NAS into the cluster file; else something stands between here and the NAS.'));
    };
    settle(socket, 'secureConnect', signal, checked, (error) => {
      reject(isCertificateError(error) ? untrusted(nas, error) : error);
    });
  });
}

function tlsTo(nas: DsmAddress) {
  return { host: nas.address, port: nas.port, minVersion: 'TLSv1.2' as const, ...(isIP(nas.address) ? {} : { servername: nas.address }) };
}

async function readAuthority(path: string): Promise<string> {
  const text = await readFile(path, 'utf8').catch((cause: unknown) => {
    throw problem('E_DSM_CA', 'the authority’s certificate for the NAS cannot be read', 'Put the PEM file where `ca` of the NAS says, or take `ca` out of the cluster file.', { where: { file: path }, cause });
  });
  try {
    void new X509Certificate(text);
    return text;
  } catch {
    throw problem('E_DSM_CA', 'the authority’s file for the NAS holds no PEM certificate', 'Export the authority’s certificate as PEM (it begins with BEGIN CERTIFICATE).', { where: { file: path } });
  }
}

function settle(socket: Socket, ready: 'connect' | 'secureConnect', signal: AbortSignal, done: () => void, fail: (error: Error) => void): void {
  const stop = (): void => void socket.destroy(new DOMException('aborted', 'AbortError'));
  signal.addEventListener('abort', stop, { once: true });
  if (signal.aborted) stop();
  socket.once('error', fail);
  socket.once(ready, () => {
    socket.removeListener('error', fail);
    socket.on('error', () => {});
    signal.removeEventListener('abort', stop);
    done();
  });
}

function exchange(socket: Socket, nas: DsmAddress, post: DsmPost, signal: AbortSignal): Promise<string> {
  const body = post.form.toString();
  return new Promise((resolve, reject) => {
    const request = httpRequest({
      createConnection: () => socket, host: nas.address, port: nas.port, method: 'POST', path: `/webapi/${post.path}`, signal,
      headers: { 'content-type': 'application/x-www-form-urlencoded', 'content-length': Buffer.byteLength(body), connection: 'close', ...post.headers },
    }, (response) => void collect(response, nas).then(resolve, reject));
    request.on('error', reject);
    request.end(body);
  });
}

async function collect(response: IncomingMessage, nas: DsmAddress): Promise<string> {
  const parts: Buffer[] = [];
  let length = 0;
  for await (const part of response as AsyncIterable<Buffer>) {
    length += part.length;
    if (length > LONGEST_ANSWER) throw problem('E_DSM_ANSWER', `the NAS at ${nas.address}:${nas.port} sends an answer without end`, 'See whether this address and port are DSM’s.');
    parts.push(part);
  }
  if (response.statusCode === 200) return Buffer.concat(parts).toString('utf8');
  throw problem('E_DSM_ANSWER', `the NAS at ${nas.address}:${nas.port} answers HTTP ${response.statusCode}`,
    'See whether this is DSM’s port (5000 for http, 5001 for https) and whether DSM redirects http to https.');
}

function fingerprint(socket: TLSSocket): string {
  return plainFingerprint(socket.getPeerCertificate().fingerprint256 ?? '');
}

function isCertificateError(error: Error): boolean {
  const code = String((error as { code?: unknown }).code ?? '');
  return /CERT|SIGN|ISSUER|ALTNAME/.test(code);
}

function untrusted(nas: DsmAddress, error: Error): FirstlightError {
  const code = String((error as { code?: unknown }).code ?? 'not trusted');
  return problem('E_DSM_CERTIFICATE', `the certificate of the NAS at ${nas.address}:${nas.port} is not trusted (${code})`,
    nas.ca === undefined ? 'Write the SHA-256 that a browser shows for DSM’s page as `certificate` of the NAS into the cluster file, or give DSM a certificate this machine trusts.'
      : 'The authority in `ca` did not sign it, or not for this address (a certificate for an address needs it as subjectAltName), or it has run out: renew it in DSM, or mend `ca` in the cluster file.');
}

function unreachable(nas: DsmAddress, error: unknown): FirstlightError {
  const code = String((error as { code?: unknown }).code ?? (error instanceof Error ? error.message : error));
  return problem('E_DSM_UNREACHABLE', `the NAS at ${nas.address}:${nas.port} can’t be reached (${code})`,
    'See whether the Synology is on and whether address, port and https in the cluster file are DSM’s.', { cause: error });
}
