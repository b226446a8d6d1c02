import { readFile } from 'node:fs/promises';
import { stringify } from 'yaml';
import { adminKubeconfig } from '../../kubernetes/kubeconfig.ts';
import { controlPlaneMaterial } from '../config/machine-config.ts';
import type { Handlers } from '../api/handler.ts';
import type { Node } from '../node.ts';
import { createMailbox } from '../wire/mailbox.ts';
import { pack, seconds, unpack } from '../wire/messages.ts';
import { status } from '../wire/status.ts';
import { CLIENT_AUTH, issue } from '../tls.ts';
import { gzipTar } from '../../tar.ts';
import { prepareService, runService } from './service-texts.ts';
import type { Pod } from '../../kubernetes/pods/pod-object.ts';
import type { Service } from './services.ts';

// What the recorded release answers; a built talosctl and machined name no commit.
const GO_VERSION = 'go1.26.8';

/** A pod's sandbox and its containers, as Talos gives what its CRI has (`talosctl containers -k`). */
function podContainers(pods: readonly Pod[], namespace: string): Readonly<Record<string, unknown>>[] {
  return pods.flatMap((pod, index) => {
    const sandbox = `${pod.metadata.namespace ?? 'default'}/${pod.metadata.name}`;
    const hash = (pod.metadata.uid ?? '').replaceAll('-', '').slice(0, 12);
    const common = { namespace, pid: 1000 + index, pod_id: sandbox, name: sandbox };
    return [{ ...common, id: sandbox, image: 'registry.k8s.io/pause:3.10', status: 'SANDBOX_READY' },
      ...pod.spec.containers.map(({ name, image }) => ({ ...common, id: `${sandbox}:${name}:${hash}`, image, status: 'CONTAINER_RUNNING' }))];
  });
}

function serviceInfo(service: Service): Readonly<Record<string, unknown>> {
  return {
    id: service.id, state: service.state,
    events: { events: service.events.map((one) => ({ msg: one.text, state: one.state, ts: seconds(one.at) })) },
    health: {
      unknown: service.healthy === undefined, healthy: service.healthy === true, last_message: service.healthText,
      ...(service.healthAt === 0 ? {} : { last_change: seconds(service.healthAt) }),
    },
  };
}

async function* logLines(node: Node, id: string, tail: number, follow: boolean, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  const file = node.logs.get(id);
  if (file === undefined) throw status('Unknown', `log "${id}" was not registered`);
  const lines = (await readFile(file, 'utf8').catch(() => '')).split('\n').filter((line) => line !== '');
  const chosen = tail < 0 ? lines : lines.slice(Math.max(0, lines.length - tail));
  if (chosen.length > 0) yield pack('Data', { bytes: Buffer.from(`${chosen.join('\n')}\n`) });
  let sent = lines.length;
  while (follow && !signal.aborted) {
    await new Promise((resolve) => { setTimeout(resolve, 250).unref(); });
    const now = (await readFile(file, 'utf8').catch(() => '')).split('\n').filter((line) => line !== '');
    if (now.length > sent) yield pack('Data', { bytes: Buffer.from(`${now.slice(sent).join('\n')}\n`) });
    sent = now.length;
  }
}

/** What a machine tells of itself. */
export const STATUS_HANDLERS: Handlers = {
  Version: async function* (node) {
    yield pack('VersionResponse', {
      messages: [{
        version: { tag: node.card.version, sha: 'undefined', go_version: GO_VERSION, os: 'linux', arch: 'arm64' },
        platform: { name: 'metal', mode: 'metal' }, features: { rbac: true },
      }],
    });
  },
  Hostname: async function* (node) {
    yield pack('HostnameResponse', { messages: [{ hostname: node.hostname }] });
  },
  ServiceList: async function* (node) {
    yield pack('ServiceListResponse', { messages: [{ services: node.services.list().map(serviceInfo) }] });
  },
  ...Object.fromEntries((['Start', 'Stop', 'Restart'] as const).map((action): [string, Handlers[string]] => [`Service${action}`, async function* (node, _call, request) {
    const id = String(unpack('ServiceRequest', request)['id'] ?? '');
    if (!node.services.get(id)) throw status('Unknown', `service "${id}" not defined`);
    if (action !== 'Restart' || !['kubelet', 'trustd', 'apid', 'cri'].includes(id)) throw status('Unknown', `service "${id}" doesn't support ${action.toLowerCase()} operation via API`);
    node.services.note(id, 'Stopping', `Sending SIGTERM to task ${id} (PID 1, container ${id})`);
    node.services.note(id, 'Finished', 'Service finished successfully');
    prepareService(node.services, id, true);
    runService(node.services, id, 1);
    node.services.health(id, true);
    if (id === 'kubelet') node.kubelet?.restart();
    yield pack('ServiceAnswerResponse', { messages: [{ resp: `Service "${id}" restarted` }] });
  }])),
  Kubeconfig: async function* (node) {
    if (node.config?.role !== 'control plane') throw status('Unimplemented', 'kubeconfig is only available on control plane nodes');
    const text = await adminKubeconfig(controlPlaneMaterial(node.config, node.hostname, node.address));
    yield pack('Data', { bytes: gzipTar([{ name: 'kubeconfig', data: text, mode: 0o600, seconds: Math.floor(Date.now() / 1000) }]) });
  },
  GenerateClientConfiguration: async function* (node, _call, request) {
    if (node.config?.role !== 'control plane') throw status('FailedPrecondition', "client configuration (talosconfig) can't be generated on worker nodes");
    const message = unpack('GenerateClientConfigurationRequest', request);
    const ttl = Number(((message['crt_ttl'] ?? {}) as { seconds?: bigint }).seconds ?? 0n);
    if (ttl <= 0) throw status('InvalidArgument', 'crt_ttl should be positive');
    const { osCa } = node.config;
    const made = await issue(osCa, { organisations: (message['roles'] ?? []) as string[], usages: [CLIENT_AUTH], hours: ttl / 3600 });
    const [ca, crt, key] = [osCa.crt, made.crt, made.key.replaceAll('PRIVATE KEY', 'ED25519 PRIVATE KEY')].map((text) => Buffer.from(text)) as [Buffer, Buffer, Buffer];
    const context = `${String(((message['roles'] ?? []) as string[])[0] ?? '').replace('os:', '')}@${node.config.clusterName}`;
    const talosconfig = stringify({ context, contexts: { [context]: { endpoints: [node.address], ca: ca.toString('base64'), crt: crt.toString('base64'), key: key.toString('base64') } } }, { indent: 4, lineWidth: 0 });
    yield pack('GenerateClientConfigurationResponse', { messages: [{ ca, crt, key, talosconfig: Buffer.from(talosconfig) }] });
  },
  Logs: (node, call, request) => {
    const message = unpack('LogsRequest', request);
    return logLines(node, String(message['id'] ?? ''), (message['tail_lines'] ?? 0) as number, message['follow'] === true, call.signal);
  },
  Dmesg: async function* (node) {
    for (const line of node.services.list().flatMap((one) => one.events.map((event) => ({ ...event, id: one.id }))).sort((a, b) => a.at - b.at)) {
      yield pack('Data', { bytes: Buffer.from(`user: warning: [${new Date(line.at).toISOString()}]: [talos] service[${line.id}](${line.state}): ${line.text}\n`) });
    }
  },
  Containers: async function* (node, _call, request) {
    const namespace = String(unpack('ContainersRequest', request)['namespace'] ?? 'system');
    const ids = node.services.list().map((one) => one.id).filter((id) => id === 'apid' || id === 'trustd');
    const containers = namespace === 'system' ? ids.map((id, i) => ({ namespace, id, pid: 169 + i, status: 'RUNNING', pod_id: id, name: id })) : podContainers(node.kubelet?.pods() ?? [], namespace);
    yield pack('ContainersResponse', { messages: [{ containers }] });
  },
  Restart: async function* (_node, _call, request) {
    throw status('Unknown', `container "${String(unpack('RestartRequest', request)['id'] ?? '')}" not found`);
  },
  Processes: async function* (node) {
    const commands = [['init', '/sbin/init'], ['kubelet', '/usr/local/bin/kubelet'], ['apid', '/apid --enable-rbac --enable-ext-key-usage-check'], ['etcd', '/usr/local/bin/etcd'], ['trustd', '/trustd']] as const;
    const running = commands.filter(([id]) => id === 'init' || node.services.get(id)?.state === 'Running');
    yield pack('ProcessesResponse', { messages: [{ processes: running.map(([command, args], i) => ({ pid: i === 0 ? 1 : 168 + i, state: 'S', threads: 10, command, executable: args.split(' ')[0]!, args })) }] });
  },
  Memory: async function* () {
    // A Raspberry Pi 4B with 8 GB; kB, as in /proc/meminfo.
    yield pack('MemoryResponse', { messages: [{ meminfo: { memtotal: 7998416n, memfree: 6612296n, memavailable: 7289092n, buffers: 21452n, cached: 716108n, shmem: 10616n } }] });
  },
  Time: async function* (node) {
    const now = seconds(Date.now());
    yield pack('TimeResponse', { messages: [{ server: node.config?.timeServers[0] ?? 'time.cloudflare.com', localtime: now, remotetime: now }] });
  },
  Events: async function* (node, call, request) {
    const message = unpack('EventsRequest', request);
    const actor = String(message['with_actor_id'] ?? '');
    const tail = (message['tail_events'] ?? 0) as number;
    const before = node.events.all().filter((one) => actor === '' || one.actor === actor).slice(tail < 0 ? 0 : tail === 0 ? Infinity : -tail).map((one) => one.bytes);
    const mailbox = createMailbox(before);
    const stop = node.events.follow((one) => {
      if (actor === '' || one.actor === actor) mailbox.put(one.bytes);
    });
    try {
      // The first message is empty: the client takes it as "connected".
      yield pack('Event', { data: {}, id: '' });
      yield* mailbox.deliver(call.signal);
    } finally {
      stop();
    }
  },
};
