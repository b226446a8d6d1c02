import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { startGuarded } from '../guard.ts';
import { etcdGateway, type EtcdGateway } from './etcd-gateway.ts';
import { joinCluster, keepPromoting } from './etcd-join.ts';
import { recoverSnapshot } from './etcd-recover.ts';
import { issue } from './pki.ts';
import { programPath, writePair, writeSecret, type PairFiles } from './pki-folder.ts';
import { pause } from './secure-client.ts';
import type { ControlPlaneMaterial, KeyPair } from './types.ts';

/** How a member begins: alone; from its own data; as a learner of others (`clientUrls`); or from a snapshot, alone. */
export type EtcdStart =
  | { readonly kind: 'new' }
  | { readonly kind: 'restart' }
  | { readonly kind: 'join'; readonly clientUrls: readonly string[] }
  | { readonly kind: 'recover'; readonly snapshot: string; readonly skipHashCheck: boolean };

/** `dataFolder` is the member's data (the board's /var/lib/etcd), `folder` scratch for certificates and the log. */
export type EtcdOptions = {
  readonly material: ControlPlaneMaterial;
  readonly dataFolder: string;
  readonly folder: string;
  readonly programs: ReadonlyMap<string, string>;
  readonly initial: EtcdStart;
  /** Ends a join that still waits for its turn. */
  readonly signal?: AbortSignal;
};

/** etcd's client certificate: PEM texts, and the same as 0600 files for programs such as etcdctl. */
export type EtcdTls = { readonly ca: string; readonly crt: string; readonly key: string; readonly files: { readonly ca: string } & PairFiles };

/** A running etcd member of the lab, spoken to through its own client port. */
export type Etcd = Omit<EtcdGateway, 'close'> & {
  readonly pid: number;
  /** The exit status; it ends without stop() or kill() only by its own fault. */
  readonly exited: Promise<number>;
  readonly clientUrl: string;
  readonly tls: EtcdTls;
  /** The file with etcd's own log (JSON lines). */
  readonly log: string;
  /** Resolves once it answers clients (a member without quorum does not); rejects if it exits first. */
  readonly ready: Promise<void>;
  stop(): Promise<void>;
  kill(): Promise<void>;
};

/**
 * Starts real etcd (etcd-io/etcd) for one control plane: clients on material.address:2379, peers on 2380, both with mutual TLS
 * from the config's own etcd CA, member name = node name. Resolves when the process runs; `ready` tells when it answers.
 * A join first removes an older member of its own name and waits its turn as Talos does (one learner at a time), then is
 * promoted in the background. Throws E_SNAPSHOT (a snapshot that can't be restored, in Talos's words), E_NO_PROGRAM, an abort.
 * Without fsync: the data outlives a killed process, not a killed machine.
 */
export async function startEtcd(options: EtcdOptions): Promise<Etcd> {
  const { material, dataFolder, folder, programs, initial } = options;
  const pki = join(folder, 'pki');
  const clientUrl = `https://${material.address}:2379`;
  const peerUrl = `https://${material.address}:2380`;
  // etcd demands that a peer's certificate names the address it comes from, which between loopback addresses is 127.0.0.1.
  const sans = [material.address, material.nodeName, '127.0.0.1', ...material.certSans];
  const [server, client] = await Promise.all([
    issue(material.etcdCa, { commonName: material.nodeName, organization: 'etcd', sans, usages: ['server', 'client'], days: 365 }),
    etcdClientPair(material),
  ]);
  const ca = await writeSecret(pki, 'ca.crt', material.etcdCa.crt);
  const serverFiles = await writePair(pki, 'server', server);
  const clientFiles = await writePair(pki, 'client', client);
  const access = { url: clientUrl, ca: material.etcdCa.crt, ...client };

  let cluster = { members: `${material.nodeName}=${peerUrl}`, state: 'new', learner: undefined as bigint | undefined };
  if (initial.kind === 'join') {
    const joined = await joinCluster({ name: material.nodeName, peerUrl, clientUrls: initial.clientUrls, access, signal: options.signal });
    cluster = { members: joined.initialCluster, state: 'existing', learner: joined.id };
  }
  if (initial.kind === 'recover') {
    await recoverSnapshot({ etcdutl: programPath(programs, 'etcdutl'), name: material.nodeName, peerUrl, dataFolder, folder, ...initial });
  }
  await mkdir(dataFolder, { recursive: true, mode: 0o700 });
  const log = join(folder, 'etcd.log');
  const tlsFlags = (prefix: string): string[] => [
    `--${prefix}cert-file=${serverFiles.crt}`, `--${prefix}key-file=${serverFiles.key}`, `--${prefix}trusted-ca-file=${ca}`, `--${prefix}client-cert-auth=true`,
  ];
  const program = await startGuarded({
    program: programPath(programs, 'etcd'), log, env: { HOME: folder, PATH: '/usr/bin:/bin', GOMAXPROCS: '2' },
    args: [
      `--name=${material.nodeName}`, `--data-dir=${dataFolder}`, `--listen-client-urls=${clientUrl}`, `--advertise-client-urls=${clientUrl}`,
      `--listen-peer-urls=${peerUrl}`, `--initial-advertise-peer-urls=${peerUrl}`, `--initial-cluster=${cluster.members}`,
      `--initial-cluster-state=${cluster.state}`, ...tlsFlags(''), ...tlsFlags('peer-'),
      '--unsafe-no-fsync', '--logger=zap', '--log-outputs=stderr',
    ],
  });
  const gateway = etcdGateway(access);
  const ended = new AbortController();
  void program.exited.then(() => { ended.abort(); gateway.close(); });
  const ready = untilReady(gateway, ended.signal, log);
  ready.catch(() => {});
  if (cluster.learner !== undefined) void keepPromoting(material.nodeName, access, initial.kind === 'join' ? initial.clientUrls : [], ended.signal);
  const { close: _close, ...calls } = gateway;
  return {
    ...calls, pid: program.pid, exited: program.exited, clientUrl, log, ready,
    tls: { ca: material.etcdCa.crt, ...client, files: { ca, ...clientFiles } },
    stop: () => program.stop(), kill: () => program.kill(),
  };
}

/** The certificate with which the API server and the node itself speak to etcd. */
function etcdClientPair(material: ControlPlaneMaterial): Promise<KeyPair> {
  return issue(material.etcdCa, { commonName: 'talos', organization: 'etcd', usages: ['client'], days: 365 });
}

async function untilReady(gateway: EtcdGateway, ended: AbortSignal, log: string): Promise<void> {
  while (!ended.aborted) {
    const answered = await gateway.status().then((status) => status.leader !== 0n || status.learner, () => false);
    if (answered) return;
    await pause(50, ended);
  }
  throw new Error(`etcd ended before it was ready; its log is ${log}`);
}
