import { FirstlightError, problem } from '../../lib/errors.ts';
import type { Host } from '../../lib/host.ts';
import { readLock, updateLock } from '../../lib/lock-file.ts';
import type { Nas } from '../../nodes/cluster.ts';
import { certificateQuestion, judgeCertificate, unknownCertificate, type Trust } from '../../storage/dsm/trust.ts';
import type { Facts } from '../facts.ts';
import type { Step } from '../step.ts';

const WORDS: Readonly<Record<Exclude<Trust['kind'], 'unknown'>, string>> = {
  plain: 'plain http, as cluster.yaml says', pinned: 'pinned in cluster.yaml', authority: 'signed by the authority in cluster.yaml',
  system: 'signed by an authority this machine trusts', kept: 'the one accepted at first use',
};

/** The NAS as it may be spoken to now. Throws `E_DSM_CERTIFICATE_UNKNOWN` where nobody vouches for its certificate yet, and what `judgeCertificate` throws. */
export async function trustedNas(host: Host, facts: Pick<Facts, 'lockFile'>, nas: Nas): Promise<Nas> {
  const trust = await judge(host, facts, nas);
  if (trust.kind === 'unknown') throw unknownCertificate(nas, trust.shown);
  return trust.nas;
}

/** True where only a person can say whether the NAS's certificate is right: https, and the cluster file says nothing of it. */
export function certificateIsOpen(nas: Nas): boolean {
  return nas.https && nas.certificate === undefined && nas.ca === undefined;
}

/** The NAS's certificate: asked for at first use, kept in the lock file, refused when it changes. Runs first: a person is there then. */
export function nasCertificateStep(facts: Facts, nas: Nas): Step {
  return {
    id: 'nas-certificate',
    part: 'Secrets',
    title: 'Certificate of the NAS',
    needs: [],
    async observe(host) {
      const trust = await judge(host, facts, nas);
      if (trust.kind === 'unknown') return { state: 'needed', why: `nobody vouches for it yet (${trust.shown.fault}); SHA-256 ${trust.shown.fingerprint}` };
      return { state: 'done', detail: WORDS[trust.kind] };
    },
    async act(host) {
      const trust = await judge(host, facts, nas);
      if (trust.kind !== 'unknown') return;
      const answer = await host.ask(certificateQuestion(nas, trust.shown)).catch((error: unknown) => {
        throw error instanceof FirstlightError && error.code === 'E_NOBODY' ? unknownCertificate(nas, trust.shown) : error;
      });
      if (!/^(y|yes)$/i.test(answer.trim())) {
        throw problem('E_DSM_CERTIFICATE_REFUSED', `the certificate of the NAS at ${nas.address}:${nas.port} was not accepted`,
          'See whether address and port in the cluster file are DSM’s, and nothing stands between here and the NAS; nothing was sent to it.');
      }
      await updateLock(facts.lockFile, { nas: { certificate: trust.shown.fingerprint } });
    },
  };
}

async function judge(host: Host, facts: Pick<Facts, 'lockFile'>, nas: Nas): Promise<Trust> {
  return judgeCertificate(host, nas, (await readLock(facts.lockFile)).nas?.certificate);
}
