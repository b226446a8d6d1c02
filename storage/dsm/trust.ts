import { problem, type FirstlightError } from '../../lib/errors.ts';
import type { Host } from '../../lib/host.ts';
import type { Nas } from '../../nodes/cluster.ts';
import { plainFingerprint, showCertificate, type ShownCertificate } from './transport.ts';

/**
 * Why DSM may be spoken to: it is plain http by the owner's word, pinned in the cluster file, signed by the authority named
 * there or by one this machine trusts, or kept from the first use. `nas` is then to be used (with the pin, where one holds).
 * `unknown`: nobody vouches for it yet, and nothing but the handshake was exchanged.
 */
export type Trust =
  | { readonly kind: 'plain' | 'pinned' | 'authority' | 'system' | 'kept'; readonly nas: Nas }
  | { readonly kind: 'unknown'; readonly shown: ShownCertificate };

/**
 * Judges DSM's certificate; `kept` is the SHA-256 (hex) accepted at first use. Connects only where the cluster file says
 * nothing of the certificate. Throws `E_DSM_CERTIFICATE_CHANGED` with both fingerprints, and what `showCertificate` throws.
 */
export async function judgeCertificate(host: Pick<Host, 'signal'>, nas: Nas, kept: string | undefined): Promise<Trust> {
  if (!nas.https) return { kind: 'plain', nas };
  if (nas.certificate !== undefined) return { kind: 'pinned', nas };
  if (nas.ca !== undefined) return { kind: 'authority', nas };
  const shown = await showCertificate(nas, host.signal);
  if (shown.fault === undefined) return { kind: 'system', nas };
  if (kept === undefined) return { kind: 'unknown', shown };
  if (plainFingerprint(kept) === shown.fingerprint) return { kind: 'kept', nas: { ...nas, certificate: shown.fingerprint } };
  throw problem('E_DSM_CERTIFICATE_CHANGED',
    `the NAS at ${nas.address}:${nas.port} shows another certificate than at first use: it shows ${shown.fingerprint}, kept is ${plainFingerprint(kept)}`,
    'If DSM’s certificate was renewed, compare with what a browser shows for DSM’s page and take `nas` out of firstlight.lock.yaml: the next `up` asks again. Else something stands between here and the NAS.');
}

/** The question whether the shown certificate is the NAS's own; it has no fallback, so that nothing but a person's `yes` accepts it. */
export function certificateQuestion(nas: Pick<Nas, 'address' | 'port'>, shown: ShownCertificate): { readonly code: string; readonly text: string } {
  return {
    code: 'nas.certificate',
    text: [`The NAS at ${nas.address}:${nas.port} shows a certificate that nobody vouches for (${shown.fault}):`, `    for      ${shown.subject}, until ${shown.validTo}`,
      `    SHA-256  ${withColons(shown.fingerprint)}`, '  Is this what a browser shows for DSM’s page? It is then kept in firstlight.lock.yaml. (yes/no)'].join('\n'),
  };
}

/** The error for a certificate nobody accepted yet. */
export function unknownCertificate(nas: Pick<Nas, 'address' | 'port'>, shown: ShownCertificate): FirstlightError {
  return problem('E_DSM_CERTIFICATE_UNKNOWN', `nobody vouches yet for the certificate of the NAS at ${nas.address}:${nas.port} (${shown.fault}); its SHA-256 is ${withColons(shown.fingerprint)}`,
    'Compare it with what a browser shows for DSM’s page. Then either answer `firstlight up` at a terminal with yes (--yes does not), or write it as `certificate` of the NAS into the cluster file.');
}

function withColons(fingerprint: string): string {
  return fingerprint.toUpperCase().match(/../g)?.join(':') ?? fingerprint;
}
