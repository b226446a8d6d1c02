import { join } from 'node:path';
import { z } from 'zod';
import type { Look } from '../lib/conditions.ts';
import { FirstlightError, problem } from '../lib/errors.ts';
import type { CommandResult, Host } from '../lib/host.ts';

const Condition = z.object({ type: z.string(), status: z.string(), reason: z.string().optional(), message: z.string().optional(), observedGeneration: z.number().optional() });

/** The parts of Kubernetes objects that this folder reads; others stay as they are. */
const KubeObject = z.looseObject({
  kind: z.string(),
  metadata: z.looseObject({
    name: z.string(),
    namespace: z.string().optional(),
    generation: z.number().optional(),
    labels: z.record(z.string(), z.string()).optional(),
  }),
  spec: z.record(z.string(), z.unknown()).optional(),
  data: z.record(z.string(), z.string()).optional(),
  status: z.looseObject({
    observedGeneration: z.number().optional(),
    availableReplicas: z.number().optional(),
    lastAppliedRevision: z.string().optional(),
    conditions: z.array(Condition).optional(),
  }).optional(),
});

/** A Kubernetes object as `kubectl get -o json` gives it. */
export type KubeObject = z.infer<typeof KubeObject>;

const Answer = z.union([z.looseObject({ kind: z.literal('List'), items: z.array(KubeObject) }), KubeObject]);

/** What a call of kubectl may be given: input, and seconds for each of its requests (20 unless told; the program gets 10 more). */
export type KubectlOptions = { readonly stdin?: string; readonly requestSeconds?: number };

/** Runs kubectl with a kubeconfig and gives what it answered, whatever its exit code. Secrets go in by `stdin`, never by `args`. */
export function tryKubectl(host: Host, kubeconfig: string, args: readonly string[], options: KubectlOptions = {}): Promise<CommandResult> {
  const seconds = options.requestSeconds ?? 20;
  return host.run({
    program: 'kubectl', args: [...args, `--request-timeout=${seconds}s`, `--cache-dir=${join(host.scratch, 'kubectl-cache')}`],
    env: { KUBECONFIG: kubeconfig }, timeoutMs: (seconds + 10) * 1000, accept: 'any',
    ...(options.stdin === undefined ? {} : { stdin: options.stdin }),
  });
}

/** The standard output of `tryKubectl`. Throws `E_KUBE_UNREACHABLE`, `E_KUBE_FORBIDDEN`, `E_KUBE_NO_KIND` (the kind does not exist there), `E_KUBE`. */
export async function kubectl(host: Host, kubeconfig: string, args: readonly string[], stdin?: string): Promise<string> {
  const done = await tryKubectl(host, kubeconfig, args, stdin === undefined ? {} : { stdin });
  if (done.exitCode === 0) return done.stdout;
  throw kubeProblem(host.mask.hide(done.stderr));
}

/**
 * The objects that `kubectl get ARGS` names (`['-n', 'flux-system', 'secret/sops-age']`), those that exist; none where
 * their kind does not exist. Throws what `kubectl` throws.
 */
export async function getObjects(host: Host, kubeconfig: string, args: readonly string[]): Promise<readonly KubeObject[]> {
  let text: string;
  try {
    text = await kubectl(host, kubeconfig, ['get', ...args, '--ignore-not-found', '--output=json']);
  } catch (error) {
    if ((error as { code?: unknown }).code === 'E_KUBE_NO_KIND') return [];
    throw error;
  }
  if (text.trim() === '') return [];
  const parsed = Answer.safeParse(JSON.parse(text));
  if (!parsed.success) throw problem('E_KUBE', 'kubectl answered with something that is no Kubernetes object', 'See whether the API server’s version fits kubectl’s.');
  return 'items' in parsed.data && parsed.data.kind === 'List' ? parsed.data.items as readonly KubeObject[] : [parsed.data as KubeObject];
}

/** Applies objects server-side as field manager `firstlight`, by standard input. Throws what `kubectl` throws. */
export async function applyObjects(host: Host, kubeconfig: string, objects: readonly object[]): Promise<void> {
  const list = JSON.stringify({ apiVersion: 'v1', kind: 'List', items: objects });
  await kubectl(host, kubeconfig, ['apply', '--server-side', '--force-conflicts', '--field-manager=firstlight', '--filename=-'], list);
}

/** Applies manifests in YAML server-side as field manager `kubectl`, whose fields kustomize-controller takes over as its own. Throws what `kubectl` throws. */
export async function applyManifests(host: Host, kubeconfig: string, yaml: string): Promise<void> {
  await kubectl(host, kubeconfig, ['apply', '--server-side', '--force-conflicts', '--field-manager=kubectl', '--filename=-'], yaml);
}

/** A look for `waitFor` that takes an API server that is away or hangs for a moment, or has no etcd leader just now, for “not yet”; other errors are thrown. */
export async function throughOutage<T>(look: () => Promise<Look<T>>): Promise<Look<T>> {
  try {
    return await look();
  } catch (error) {
    if (error instanceof FirstlightError && (['E_KUBE_UNREACHABLE', 'E_TIMEOUT'].includes(error.code) || (error.code === 'E_KUBE' && error.message.includes('etcdserver: ')))) return { met: false, seen: error.message };
    throw error;
  }
}

/** A Secret's value in the clear, or undefined. */
export function secretValue(secret: KubeObject | undefined, key: string): string | undefined {
  const value = secret?.data?.[key];
  return value === undefined ? undefined : Buffer.from(value, 'base64').toString('utf8');
}

/**
 * An object's condition Ready (or another type): whether it is True for the current generation, and its message. `failed` says that
 * the controller has tried this generation and could not: Flux writes that into the condition, and the object's own
 * `observedGeneration` only after a success (fluxcd/kustomize-controller: internal/controller, finalizeStatus).
 */
export function condition(object: KubeObject, type = 'Ready'): { readonly met: boolean; readonly message: string; readonly failed?: boolean } {
  const { generation } = object.metadata;
  const found = object.status?.conditions?.find((each) => each.type === type);
  if (!found) return { met: false, message: 'no controller has looked at it yet' };
  const current = object.status?.observedGeneration === undefined || object.status.observedGeneration === generation;
  const tried = current || (found.observedGeneration !== undefined && found.observedGeneration === generation);
  if (!tried || (!current && found.status === 'True')) return { met: false, message: 'its newest generation is not reconciled yet' };
  return { met: found.status === 'True', message: found.message || found.reason || `${type} is ${found.status}`, failed: found.status === 'False' };
}

function kubeProblem(stderr: string): Error {
  const last = stderr.trim().split('\n').slice(-3).join(' | ').slice(-800) || 'no word of why';
  if (/doesn't have a resource type|no matches for kind|could not find the requested resource/.test(stderr)) {
    return problem('E_KUBE_NO_KIND', `the cluster does not know such objects: ${last}`, 'The CRDs come with Flux; run `firstlight up` again.');
  }
  if (/Forbidden|Unauthorized|must be logged in/i.test(stderr)) {
    return problem('E_KUBE_FORBIDDEN', `the Kubernetes API refuses: ${last}`, 'Use the cluster’s own admin kubeconfig; `firstlight up` fetches a new one.');
  }
  if (/connection refused|i\/o timeout|no route to host|connect: |Unable to connect|TLS handshake|context deadline|EOF|request canceled/i.test(stderr)) {
    return problem('E_KUBE_UNREACHABLE', `the Kubernetes API does not answer: ${last}`, 'See that a control plane is up (`firstlight status`) and network.endpoint is right.');
  }
  return problem('E_KUBE', `kubectl failed: ${last}`, 'Kubectl’s own words are above.');
}
