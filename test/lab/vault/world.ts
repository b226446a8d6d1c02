import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { startVault, type LabVault } from '../../../lab/vault/server.ts';
import type { StoredSecret, Vault } from '../../../nodes/cluster.ts';
import { testHost, type TestHost } from '../../support/host.ts';

/** A vault of the lab, a host, and the inventory's section that names it; every secret of it is a canary. */
export type VaultWorld = { readonly host: TestHost; readonly lab: LabVault; readonly vault: Vault; readonly credentials: { readonly vaultClientSecret: string }; close(): Promise<void> };

export const TENANT = '5e0a3f44-0d9c-4f0e-9d0b-6f2a8c1e7b55';
export const CLIENT = '2b1c7d80-94f3-4f2a-8d3a-7c1f0e9b6a21';
/** A principal of the tenant that has no role in the vault. */
export const NOBODY = '77777777-94f3-4f2a-8d3a-7c1f0e9b6a21';
/** A person of the tenant who may read and write. */
export const OFFICER = '99999999-94f3-4f2a-8d3a-7c1f0e9b6a21';
export const CLIENT_SECRET = 'canary-client-secret~8Q.x';

/** Starts it on `address`, port 8443. */
export async function startVaultWorld(address: string, may: 'read' | 'write' = 'write'): Promise<VaultWorld> {
  const host = testHost();
  const lab = await startVault({ address, port: 8443, principals: [{ tenant: TENANT, clientId: CLIENT, clientSecret: CLIENT_SECRET, may }, { tenant: TENANT, clientId: NOBODY, clientSecret: CLIENT_SECRET }, { tenant: TENANT, clientId: OFFICER, clientSecret: CLIENT_SECRET, may: 'write' }] });
  const ca = join(host.scratch, 'vault-ca.pem');
  writeFileSync(ca, lab.ca);
  const vault: Vault = { url: lab.url, tenant: TENANT, clientId: CLIENT, authority: lab.url, ca, secrets: [] };
  return { host, lab, vault, credentials: { vaultClientSecret: CLIENT_SECRET }, close: async () => { await lab.close(); host.remove(); } };
}

/** A declared secret of that name, kept in the vault. */
export function stored(name: string, more: Partial<StoredSecret> = {}): StoredSecret {
  return { name, store: 'vault', path: `apps/gandalf/${name}`, namespace: 'podinfo', secret: name, key: 'token', ...more };
}
