import type { RunningController } from './controllers.ts';
import { startFluxController } from './flux-controller.ts';
import type { WorkloadsOptions } from './types.ts';

/**
 * Runs the real helm-controller (fluxcd/helm-controller). In a cluster each controller has a Pod's address of its own; here they
 * share a node's, so this one's health is on port 9441 and its metrics are on 8081. Throws E_NO_PROGRAM.
 */
export function startHelmController(options: WorkloadsOptions & { readonly args: readonly string[] }): Promise<RunningController> {
  return startFluxController({ name: 'helm-controller', healthPort: 9441, metricsPort: 8081 }, options);
}
