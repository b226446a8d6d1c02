import { join } from 'node:path';
import { kubeClient, type KubeClient } from '../client.ts';
import type { RunningController } from '../controllers.ts';
import { startExternalSecrets } from '../external-secrets/controller.ts';
import { startFluxController } from '../flux-controller.ts';
import type { DriverRegistry } from '../csi/registry.ts';
import { startAttacher, startProvisioner, startRegistrar } from '../csi/sidecars.ts';
import { startSourceController } from '../source-controller.ts';
import type { Container, Pod } from './pod-object.ts';

/** What a program gets that runs where a container would. */
export type ProgramStart = {
  readonly pod: Pod;
  readonly container: Container;
  /** What a plugin of the kubelet reaches of it. */
  readonly node: { readonly client: KubeClient; readonly registry: DriverRegistry };
  readonly args: readonly string[];
  /** A 0700 folder of the pod's own; it goes with the pod. */
  readonly folder: string;
  /** The node's address: a host process has no other. */
  readonly address: string;
  /** How it reaches the API server: as its pod's service account. */
  readonly access: { readonly endpoint: string; readonly caCrt: string; readonly tokenFile: string; readonly token: () => string };
  /** Absolute paths of programs by name, and the PATH with git and ssh. */
  readonly programs: ReadonlyMap<string, string>;
  readonly path: string;
  /** PEM of the authorities that containers trust besides the public ones: those of the services which the lab plays. */
  readonly authorities?: string;
};

/** Starts the program; throws E_NO_PROGRAM where the lab was not given it. */
export type ProgramOf = (start: ProgramStart) => Promise<RunningController>;

/**
 * What is run for real in place of a container, by the last part of its image's name: Flux's own programs, the stand-ins
 * of source-controller and External Secrets, which cannot be built, and those of CSI's sidecars. Every other container only seems to run.
 */
const PROGRAMS: ReadonlyMap<string, ProgramOf> = new Map<string, ProgramOf>([
  ['kustomize-controller', (start) => startFluxController('kustomize-controller', start)],
  ['helm-controller', (start) => startFluxController('helm-controller', start)],
  ['source-controller', ({ access, folder, address, path }) => startSourceController({
    client: kubeClient({ url: new URL(access.endpoint).origin, ca: access.caCrt, token: access.token }), folder, address, path,
  })],
  ['external-secrets', startExternalSecrets],
  ['csi-node-driver-registrar', startRegistrar],
  ['csi-attacher', startAttacher],
  ['csi-provisioner', startProvisioner],
]);

/** The program of an image such as `ghcr.io/fluxcd/kustomize-controller:v1.9.5`, if there is one. */
export function programOf(image: string): ProgramOf | undefined {
  return PROGRAMS.get(image.split('/').at(-1)!.split(/[:@]/)[0]!);
}

/** The pod's own scratch folder. */
export function podFolder(root: string, uid: string): string {
  return join(root, 'pods', uid);
}
