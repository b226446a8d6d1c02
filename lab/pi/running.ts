import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ApiServer } from '../kubernetes/api-server.ts';
import type { Etcd } from '../kubernetes/etcd.ts';
import type { Kubelet } from '../kubernetes/kubelet.ts';
import type { KeyPair } from '../kubernetes/types.ts';
import { createApid, type Apid } from './api/apid.ts';
import { clusterId, enterStage, tellStatus } from './boot.ts';
import { controlPlaneMaterial, kubeletMaterial, type MachineConfig } from './config/machine-config.ts';
import { startEtcdService } from './etcd/service.ts';
import { initiatorName, machineIdOf } from './identity.ts';
import { prepareService, runService, startExtension, startService } from './machine/service-texts.ts';
import type { Node } from './node.ts';
import { CLIENT_AUTH, issue, plainKey, SERVER_AUTH, withSans } from './tls.ts';
import { contendFor, type SharedAddress } from './shared-address.ts';
import { requestCertificate, serveTrustd } from './trustd.ts';
import { serveGrpc, type GrpcServer } from './wire/server.ts';

const APID_PORT = 50000;
const HOURS = 24;
const RETRY_MS = 250;

/** Everything that runs on a machine with a config. */
export type Running = {
  /** Stops in order (`stop`) or at once (`kill`); every port is free then. */
  end(how: 'stop' | 'kill'): Promise<void>;
  /** Shows a new certificate after the hostname changed; serves elsewhere when the address did (`moved`). */
  renewApi(moved: boolean): Promise<void>;
};

/** Keeps trying to take a port until it is free or the machine goes down; says so on the console. */
async function persistently(node: Node, what: string, take: () => Promise<GrpcServer>, signal: AbortSignal): Promise<GrpcServer | undefined> {
  let said = '';
  while (!signal.aborted) {
    try {
      return await take();
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code ?? '';
      const line = code === 'EADDRINUSE' ? `${what}: another machine holds the address ${node.address}` : `${what}: ${(error as Error).message}`;
      if (line !== said) node.say(`[talos] ${line}`);
      said = line;
      await sleep(RETRY_MS, undefined, { signal }).catch(() => {});
    }
  }
  return undefined;
}

async function certificate(node: Node, config: MachineConfig, signal: AbortSignal): Promise<KeyPair | undefined> {
  if (config.role === 'control plane') {
    return issue(config.osCa, { commonName: node.hostname, ...withSans([node.hostname], [node.address], config.certSans), usages: [SERVER_AUTH], hours: HOURS });
  }
  const host = new URL(config.endpoint).hostname;
  let said = '';
  while (!signal.aborted) {
    try {
      return await requestCertificate(host, config.osCa.crt, config.token, node.hostname, node.address, signal);
    } catch (error) {
      const line = `trustd at ${host}: ${(error as Error).message}`;
      if (line !== said) node.say(`[talos] controller failed {"controller": "secrets.APIController", "error": ${JSON.stringify(line)}}`);
      said = line;
      await sleep(RETRY_MS, undefined, { signal }).catch(() => {});
    }
  }
  return undefined;
}

/** Runs a machine with `node.config`: API, trustd, kubelet, etcd and kube-apiserver. Returns at once; things come up as they can. */
export function runMachine(node: Node): Running {
  const config = node.config!;
  const down = new AbortController();
  const { signal } = down;
  const servers = new Set<GrpcServer>();
  let api: { readonly server: GrpcServer; readonly apid: Apid } | undefined;
  let kubelet: Kubelet | undefined;
  let apiServer: ApiServer | undefined;
  let coming: Promise<void> = Promise.resolve();
  let shared: SharedAddress | undefined;

  const serveApi = async (): Promise<void> => {
    const own = await certificate(node, config, signal);
    if (!own) return;
    const client = config.role === 'control plane'
      ? await issue(config.osCa, { organisations: ['os:impersonator'], usages: [CLIENT_AUTH], hours: HOURS }) : undefined;
    const apid = createApid(node, client === undefined ? undefined : { ca: config.osCa.crt, client });
    const server = await persistently(node, 'apid', () => serveGrpc(node.address, APID_PORT, { ...own, clientCa: config.osCa.crt }, apid.handler), signal);
    if (!server) return;
    servers.add(server);
    api = { server, apid };
    if (signal.aborted) await server.close();
  };

  const controlPlane = async (): Promise<void> => {
    const ca = { crt: config.osCa.crt, key: plainKey(config.osCa.key) };
    const trustd = await persistently(node, 'trustd', () => serveTrustd(node.address, node.hostname, ca, config.token, config.certSans), signal);
    if (!trustd) return;
    servers.add(trustd);
    startService(node.services, 'trustd', 170);
  };

  // etcd waits for its bootstrap before the API answers: no bootstrap is ever too early.
  const prepareEtcd = async (): Promise<void> => {
    const material = controlPlaneMaterial(config, node.hostname, node.address);
    const data = join(await node.parts.card.ephemeralFolder(node.cardPath), 'lib', 'etcd');
    if (signal.aborted) return;
    node.etcd = await startEtcdService(node, material, data, (etcd) => { coming = coming.then(() => etcdUp(etcd)).catch((error: Error) => node.say(`[talos] ${error.message}`)); });
    if (signal.aborted) await node.etcd.kill();
  };

  const etcdUp = async (etcd: Etcd): Promise<void> => {
    if (signal.aborted) return;
    enterStage(node, 'running');
    await shared?.end('kill');
    shared = config.sharedAddress === undefined ? undefined : contendFor(node, config.sharedAddress, etcd);
    await apiServer?.kill();
    node.apiServerUp = false;
    const material = controlPlaneMaterial(config, node.hostname, node.address);
    const started = await node.parts.startApiServer({ material, etcd, folder: join(node.folder, 'kube-apiserver') });
    apiServer = started;
    if (signal.aborted) return void await started.kill();
    node.logs.set('kube-apiserver', started.log);
    void started.ready.then(() => {
      node.apiServerUp = true;
      tellStatus(node);
    }, () => {});
  };

  const kubernetes = async (): Promise<void> => {
    prepareService(node.services, 'kubelet');
    runService(node.services, 'kubelet', 238);
    const stateFolder = join(await node.parts.card.ephemeralFolder(node.cardPath), 'lib', 'kubelet');
    if (signal.aborted) return;
    const started = node.parts.startKubelet({
      material: kubeletMaterial(config, node.hostname, node.address), folder: join(node.folder, 'kubelet'), stateFolder,
      bootId: node.bootId, machineId: machineIdOf(node.identity), signal,
      ...(node.card.extensions.includes('iscsi-tools') ? { initiator: initiatorName(machineIdOf(node.identity)) } : {}),
    });
    kubelet = started;
    node.kubelet = started;
    node.services.health('kubelet', true);
    while (!signal.aborted) {
      if (started.registered() !== node.nodeReady) {
        node.nodeReady = started.registered();
        tellStatus(node);
      }
      await sleep(RETRY_MS, undefined, { signal }).catch(() => {});
    }
  };

  const announce = (): void => {
    const cluster = config.main['cluster'] as { discovery?: { enabled?: boolean } } | undefined;
    if (cluster?.discovery?.enabled === false) return;
    node.parts.discovery.announce(clusterId(node), {
      nodeId: node.identity, hostname: node.hostname, addresses: [node.address], machineType: config.role === 'worker' ? 'worker' : 'controlplane', version: node.card.version,
    });
  };

  const start = async (): Promise<void> => {
    enterStage(node, 'booting');
    prepareService(node.services, 'apid');
    if (config.role === 'control plane') await prepareEtcd();
    if (!signal.aborted) await serveApi();
    if (signal.aborted) return;
    runService(node.services, 'apid', 169);
    node.services.health('apid', true);
    startService(node.services, 'cri', 80);
    if (node.card.extensions.includes('iscsi-tools')) startExtension(node.services, 'iscsid', 201);
    announce();
    const others = [kubernetes(), ...(config.role === 'control plane' ? [controlPlane()] : [])];
    if (config.role === 'worker') enterStage(node, 'running');
    await Promise.all(others);
  };
  const running = start().catch((error: Error) => node.say(`[talos] ${error.stack ?? error.message}`));
  const stopFollowing = node.parts.discovery.follow(() => node.resources.refresh());

  return {
    end: async (how) => {
      down.abort();
      stopFollowing();
      api?.apid.close();
      await Promise.all([...servers].map((server) => server.close()));
      await kubelet?.end(how);
      await coming;
      await shared?.end(how);
      await apiServer?.[how]();
      await node.etcd?.[how]();
      await running;
    },
    renewApi: async (moved) => {
      const old = api;
      if (!moved) {
        const own = await certificate(node, config, signal);
        if (own) old?.server.renew({ ...own, clientCa: config.osCa.crt });
        return;
      }
      old?.apid.close();
      if (old) servers.delete(old.server);
      await old?.server.close();
      await serveApi();
    },
  };
}
