import type { Services } from './services.ts';

const VOLUMES = ['/var/lib', '/var/lib/kubelet', '/var/log', '/var/log/audit', '/var/log/containers', '/var/log/pods', '/var/lib/kubelet/seccomp',
  '/var/lib/kubelet/seccomp/profiles', '/var/log/audit/kube', '/var/mnt'];

function volumes(paths: readonly string[]): string {
  return paths.map((path) => `volume "${path}" to be mounted`).join(', ');
}

// What Talos 1.11.0 says while a service starts: recorded from the real thing.
const WAITING: Readonly<Record<string, readonly string[]>> = {
  apid: ['service "containerd" to be "up", api certificates'],
  trustd: ['service "containerd" to be "up", time sync, network'],
  cri: [`${volumes(['/var/lib', '/var/lib/cni', '/var/lib/containerd', '/var/run', '/var/run/lock'])}, network`],
  kubelet: [`${volumes(VOLUMES)}, service "cri" to be "up", time sync, network`, 'service "cri" to be "up"'],
  etcd: ['volume "/var/lib" to be mounted, volume "ETCD" to be mounted, service "cri" to be "up", time sync, network, etcd spec', 'service "cri" to be "up"'],
};
const STARTED: Readonly<Record<string, (pid: number) => string>> = {
  machined: () => 'Service started as goroutine',
  auditd: () => 'Service started as goroutine',
  syslogd: () => 'Service started as goroutine',
  udevd: (pid) => `Process Process(["/sbin/systemd-udevd" "--resolve-names=never"]) started with PID ${pid}`,
  containerd: (pid) => `Process Process(["/bin/containerd" "--address" "/system/run/containerd/containerd.sock" "--state" "/system/run/containerd" "--root" "/system/var/lib/containerd"]) started with PID ${pid}`,
  cri: (pid) => `Process Process(["/bin/containerd" "--address" "/run/containerd/containerd.sock" "--config" "/etc/cri/containerd.toml"]) started with PID ${pid}`,
};

/** Brings a service as far as its pre state: `Preparing`, "Running pre state"; started `again` it has little to wait for. */
export function prepareService(services: Services, id: string, again = false): void {
  services.note(id, 'Starting', 'Starting service');
  for (const text of (WAITING[id] ?? []).slice(0, again ? 1 : undefined)) services.note(id, 'Waiting', `Waiting for ${text}`);
  services.note(id, 'Preparing', 'Running pre state');
}

/** Notes that a prepared service runs; its health is not known yet. */
export function runService(services: Services, id: string, pid: number): void {
  services.note(id, 'Preparing', 'Creating service runner');
  services.note(id, 'Running', STARTED[id]?.(pid) ?? `Started task ${id} (PID ${pid}) for container ${id}`);
}

/** Starts an extension's service. Talos looks after no health of these (siderolabs/talos:internal/app/machined/pkg/system/services/extension.go). */
export function startExtension(services: Services, name: string, pid: number): void {
  prepareService(services, `ext-${name}`);
  runService(services, `ext-${name}`, pid);
}

/** Starts a service that needs nothing real behind it, healthy at once. */
export function startService(services: Services, id: string, pid: number): void {
  prepareService(services, id);
  runService(services, id, pid);
  services.health(id, true);
}
