import { mkdir } from 'node:fs/promises';
import { request } from 'node:http';
import { createServer } from 'node:net';
import { once } from 'node:events';
import { join } from 'node:path';
import { startGuarded } from '../guard.ts';
import type { RunningController } from './controllers.ts';
import { kubeconfig } from './kubeconfig.ts';
import { programPath, writeSecret } from './pki-folder.ts';
import type { ProgramStart } from './pods/programs.ts';

/** Flags that only make sense in a Pod: replaced by the lab's own. */
const POD_FLAGS = ['--events-addr', '--enable-leader-election', '--metrics-addr', '--health-addr', '--log-level', '--log-encoding'];

/**
 * Runs a real controller of Flux with its container's arguments, as its pod's service account, so that Flux's own RBAC decides.
 * In a cluster each has a Pod's address of its own; here they share a node's, so each takes free ports of it. Dependencies that are
 * not ready are asked again every second instead of every 30 s, unless the Deployment says otherwise. Nothing of this machine's
 * home or keys is in its environment. Throws E_NO_PROGRAM.
 */
export async function startFluxController(name: string, start: ProgramStart): Promise<RunningController> {
  const { access, address, folder } = start;
  const home = join(folder, 'home');
  await mkdir(home, { recursive: true, mode: 0o700 });
  const config = kubeconfig({ cluster: 'cluster', endpoint: access.endpoint, ca: access.caCrt, user: name, tokenFile: access.tokenFile });
  const [health, metrics] = await freePorts(address);
  const kept = start.args.filter((arg) => !POD_FLAGS.includes(arg.split('=')[0] ?? '') && !arg.includes('$('));
  const program = await startGuarded({
    program: programPath(start.programs, name),
    args: [
      ...(kept.some((arg) => arg.startsWith('--requeue-dependency')) ? [] : ['--requeue-dependency=1s']), ...kept,
      '--log-level=info', '--log-encoding=json', '--enable-leader-election=false', `--metrics-addr=${address}:${metrics}`, `--health-addr=${address}:${health}`,
    ],
    log: join(folder, `${name}.log`),
    cwd: home,
    env: { PATH: start.path, HOME: home, TMPDIR: home, RUNTIME_NAMESPACE: 'flux-system', KUBECONFIG: await writeSecret(folder, 'kubeconfig', config) },
  });
  return { ready: () => answersOk(address, health, '/readyz'), exited: program.exited, stop: () => program.stop(), kill: () => program.kill() };
}

async function freePorts(address: string): Promise<readonly [number, number]> {
  const servers = [createServer(), createServer()];
  const ports = await Promise.all(servers.map(async (server) => {
    server.listen(0, address);
    await once(server, 'listening');
    return (server.address() as { port: number }).port;
  }));
  await Promise.all(servers.map((server) => once(server.close(), 'close')));
  return [ports[0]!, ports[1]!];
}

function answersOk(host: string, port: number, path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const outgoing = request({ host, port, path, timeout: 2_000, agent: false }, (answer) => {
      answer.resume();
      resolve(answer.statusCode === 200);
    });
    outgoing.on('timeout', () => outgoing.destroy());
    outgoing.on('error', () => resolve(false));
    outgoing.end();
  });
}
