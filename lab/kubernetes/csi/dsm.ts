import { request as plain } from 'node:http';
import { request as secure } from 'node:https';
import { parse } from 'yaml';
import { textOf } from '../secure-client.ts';

/** One DSM of a client-info Secret. */
export type DsmClient = { readonly host: string; readonly port: number; readonly https: boolean; readonly username: string; readonly password: string };

/** A LUN behind a target, as a driver finds it. */
export type MappedLun = { readonly uuid: string; readonly name: string; readonly iqn: string; readonly number: number };

type Call = (api: string, method: string, parameters?: Readonly<Record<string, unknown>>) => Promise<unknown>;

/** The DSMs that a `client-info.yaml` names. Throws what the YAML parser throws. */
export function clientsIn(text: string): readonly DsmClient[] {
  return (parse(text) as { clients?: DsmClient[] } | null)?.clients ?? [];
}

/**
 * Works in one login of a DSM as Synology's own driver does: no certificate is verified (pkg/dsm/webapi/dsmwebapi.go), and logged out
 * at the end. Throws the connection's error, or one with DSM's number.
 */
export async function withDsm<T>(client: DsmClient, use: (call: Call) => Promise<T>): Promise<T> {
  let sid: string | undefined;
  const ask = async (api: string, method: string, version: number, parameters: Readonly<Record<string, string>>): Promise<unknown> => {
    const form = new URLSearchParams({ api, method, version: String(version), ...parameters }).toString();
    const said = JSON.parse(await post(client, form, sid)) as { success: boolean; data?: unknown; error?: { code: number } };
    if (!said.success) throw new Error(`DSM at ${client.host}: ${api} ${method} failed with code ${said.error?.code}`);
    return said.data;
  };
  const login = await ask('SYNO.API.Auth', 'login', 3, { account: client.username, passwd: client.password, format: 'sid' }) as { sid: string };
  sid = login.sid;
  try {
    return await use((api, method, parameters = {}) => ask(api, method, 1, Object.fromEntries(Object.entries(parameters).map(([name, value]) => [name, JSON.stringify(value)]))));
  } finally {
    await ask('SYNO.API.Auth', 'logout', 1, {}).catch(() => {});
  }
}

/** Every mapped LUN of a DSM, target by target. */
export async function mappedLuns(call: Call): Promise<readonly MappedLun[]> {
  type Lun = { uuid: string; name: string };
  type Target = { iqn: string; mapped_luns: { lun_uuid: string; mapping_index: number }[] };
  const { luns } = await call('SYNO.Core.ISCSI.LUN', 'list') as { luns: Lun[] };
  const { targets } = await call('SYNO.Core.ISCSI.Target', 'list', { additional: ['mapped_lun'] }) as { targets: Target[] };
  return targets.flatMap(({ iqn, mapped_luns }) => mapped_luns.map(({ lun_uuid: uuid, mapping_index: number }) => (
    { uuid, iqn, number, name: luns.find((lun) => lun.uuid === uuid)?.name ?? '' })));
}

function post(client: DsmClient, form: string, sid: string | undefined): Promise<string> {
  return new Promise((resolve, reject) => {
    const options = {
      host: client.host, port: client.port, path: '/webapi/entry.cgi', method: 'POST', timeout: 10_000, agent: false as const, rejectUnauthorized: false,
      headers: { 'content-type': 'application/x-www-form-urlencoded', ...(sid === undefined ? {} : { cookie: `id=${sid}` }) },
    };
    const outgoing = (client.https ? secure : plain)(options, (answer) => void textOf(answer).then(resolve, reject));
    outgoing.on('timeout', () => outgoing.destroy(new Error(`DSM at ${client.host} does not answer`)));
    outgoing.on('error', reject);
    outgoing.end(form);
  });
}
