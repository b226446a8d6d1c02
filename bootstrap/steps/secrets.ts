import { problem } from '../../lib/errors.ts';
import { makeBundle, observeBundle } from '../../talos/secrets.ts';
import { lunsWithoutChap, makeChapSecrets } from '../credentials.ts';
import type { Facts } from '../facts.ts';
import type { Step } from '../step.ts';

/** The Talos secrets bundle: made once in the cluster's life, kept only encrypted. */
export function bundleStep(facts: Facts): Step {
  return {
    id: 'bundle',
    part: 'Secrets',
    title: 'Talos secrets bundle',
    needs: [],
    async observe(host) {
      const seen = await observeBundle(host, facts.cluster);
      if (seen.kind === 'absent') return { state: 'needed', why: 'not made yet' };
      if (seen.missing.length > 0) {
        throw problem('E_RECIPIENTS', `the secrets bundle is not encrypted for ${seen.missing.join(', ')}`,
          'Add the recipient with `sops updatekeys`, or correct secrets.recipients in cluster.yaml.', { where: { file: seen.path } });
      }
      await facts.bundle(host);
      return { state: 'done', detail: `encrypted for ${seen.recipients.length} recipients` };
    },
    act: (host) => makeBundle(host, facts.cluster),
  };
}

/** The passwords and keys the cluster needs; CHAP secrets that nobody chose yet are made. */
export function credentialsStep(facts: Facts): Step {
  return {
    id: 'credentials',
    part: 'Secrets',
    title: 'Credentials',
    needs: [],
    async observe(host) {
      const missing = lunsWithoutChap(facts.cluster, await facts.credentials(host));
      if (missing.length > 0) return { state: 'needed', why: `no CHAP secret yet for ${missing.join(', ')}` };
      return { state: 'done', detail: 'all there, encrypted' };
    },
    async act(host) {
      await makeChapSecrets(host, facts.cluster);
      facts.forgetCredentials();
    },
  };
}
