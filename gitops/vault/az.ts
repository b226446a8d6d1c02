import type { TokenCredential } from '@azure/identity';
import { z } from 'zod';
import { problem } from '../../lib/errors.ts';
import type { Host } from '../../lib/host.ts';
import type { Vault } from '../../nodes/cluster.ts';

/** What `az account get-access-token` prints, as far as it is read (Azure/azure-cli: account get-access-token). */
const Answer = z.looseObject({ accessToken: z.string(), expires_on: z.number() });

/** Tokens of whoever has logged in to the Azure CLI (`az login`), each hidden from all output. Throws `E_VAULT_AUTH` where nobody has, `E_NO_PROGRAM` without the CLI. */
export function azCredential(host: Host, vault: Vault): TokenCredential {
  return {
    async getToken(scopes) {
      const scope = [scopes].flat()[0] ?? '';
      const done = await host.run({ program: 'az', args: ['account', 'get-access-token', '--tenant', vault.tenant, '--scope', scope, '--output', 'json'], accept: 'any' });
      const parsed = Answer.safeParse(done.exitCode === 0 ? JSON.parse(done.stdout) : undefined);
      if (!parsed.success) throw problem('E_VAULT_AUTH', `nobody is logged in to tenant ${vault.tenant} by the Azure CLI`, `Run \`az login --tenant ${vault.tenant}\`, then the same command again.`);
      host.mask.add(parsed.data.accessToken);
      return { token: parsed.data.accessToken, expiresOnTimestamp: parsed.data.expires_on * 1000 };
    },
  };
}
