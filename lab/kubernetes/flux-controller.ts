import { mkdir } from 'node:fs/promises';
import { request } from 'node:http';
import { join } from 'node:path';
import { startGuarded } from '../guard.ts';
import type { RunningController } from './controllers.ts';
import { kubeconfig } from './kubeconfig.ts';
import { issue } from './pki.ts';
import { programPath, writeSecret } from './pki-folder.ts';
import type { WorkloadsOptions } from './types.ts';

/** One of Flux's controllers as the lab runs it: its program and service account are called by `name`. */
export type FluxController = { readonly name: string; readonly healthPort: number; readonly metricsPort: number };

/** Flags that only make sense in a Pod: replaced by the lab's own. */
const POD_FLAGS = ['--events-addr', '--enable-leader-election', '--metrics-addr', '--health-addr', '--log-level', '--log-encoding'];

/**
 * Runs a real controller of Flux with its Deployment's arguments, as its own service account: a client certificate with that
 * user name, so that Flux's own RBAC decides. It listens on the node's address. Dependencies that are not ready are asked again
 * every second instead of every 30 s, unless the Deployment says otherwise. Nothing of this machine's home or keys is in its
 * environment. Throws E_NO_PROGRAM.
 */
export async function startFluxController(of: FluxController, options: WorkloadsOptions & { readonly args: readonly string[] }): Promise<RunningController> {
  const { material, address } = options;
  const folder = join(options.folder, of.name);
  const home = join(folder, 'home');
  await mkdir(home, { recursive: true, mode: 0o700 });
  const pair = await issue(material.kubernetesCa, {
    commonName: `system:serviceaccount:flux-system:${of.name}`, organization: 'system:serviceaccounts', usages: ['client'], days: 365,
  });
  const config = kubeconfig({ cluster: material.clusterName, endpoint: material.endpoint, ca: material.kubernetesCa.crt, user: of.name, pair });
  const kept = options.args.filter((arg) => !POD_FLAGS.includes(arg.split('=')[0] ?? '') && !arg.includes('$('));
  const program = await startGuarded({
    program: programPath(options.programs, of.name),
    args: [
      ...(kept.some((arg) => arg.startsWith('--requeue-dependency')) ? [] : ['--requeue-dependency=1s']), ...kept,
      '--log-level=info', '--log-encoding=json', '--enable-leader-election=false',
      `--metrics-addr=${address}:${of.metricsPort}`, `--health-addr=${address}:${of.healthPort}`,
    ],
    log: join(options.folder, `${of.name}.log`),
    cwd: home,
    env: {
      PATH: '/usr/bin:/bin', HOME: home, TMPDIR: home, RUNTIME_NAMESPACE: 'flux-system', ...options.env,
      KUBECONFIG: await writeSecret(folder, 'kubeconfig', config),
    },
  });
  return { ready: () => answersOk(address, of.healthPort, '/readyz'), exited: program.exited, stop: () => program.stop(), kill: () => program.kill() };
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
