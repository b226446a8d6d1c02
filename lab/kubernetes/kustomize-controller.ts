import type { RunningController } from './controllers.ts';
import { startFluxController } from './flux-controller.ts';
import type { WorkloadsOptions } from './types.ts';

/** Runs the real kustomize-controller (fluxcd/kustomize-controller), health on port 9440, metrics on 8080. Throws E_NO_PROGRAM. */
export function startKustomizeController(options: WorkloadsOptions & { readonly args: readonly string[] }): Promise<RunningController> {
  return startFluxController({ name: 'kustomize-controller', healthPort: 9440, metricsPort: 8080 }, options);
}
