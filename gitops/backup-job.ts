import { parse } from 'yaml';
import { z } from 'zod';
import type { BackupPlace, Cluster, Recipient } from '../nodes/cluster.ts';
import type { PlaceSecrets } from '../nodes/credentials.ts';

/** A bucket for backups, as the inventory declares it. */
export type Bucket = Extract<BackupPlace, { kind: 's3' }>;

/** Names of what takes snapshots of etcd inside the cluster. See docs/decisions/0017. */
export const JOB = {
  namespace: 'etcd-backup',
  /** The CronJob, Talos' service account and the Secret that Talos makes of it. */
  name: 'etcd-backup',
  /** The Secret with the bucket's keys, encrypted in the repository. */
  keys: 's3-keys',
  authority: 's3-authority',
  /** The one right that Talos gives it: to read a snapshot. */
  role: 'os:etcd:backup',
  /** The Kustomization's file in the cluster's own folder. */
  kustomization: 'backup.yaml',
} as const;

/** Sidero's own job: snapshot, age, S3. Kept as its owner's Renovate has it once it is in the repository. */
const IMAGE = 'ghcr.io/siderolabs/talos-backup:v0.1.0-beta.3';

/** What a container may hold of the snapshot, and of memory with it. */
const ROOM = '512Mi';
const MEMORY = '640Mi';

/** Each night, at a minute when little else runs; UTC. */
const SCHEDULE = '17 3 * * *';

/** What the owner may have changed in a job that is there: `memory` is a container's limit, `room` what it may hold of the snapshot. */
export type JobKept = { readonly schedule?: string; readonly image?: string; readonly memory?: string; readonly room?: string };

/** The folder of the GitOps repository with the job: each cluster has a bucket and recipients of its own. */
export function jobFolder(cluster: Pick<Cluster, 'name'>): string {
  return `infrastructure/backup/${cluster.name}`;
}

/** Where in the bucket the snapshots for one recipient lie: apart from archives, which have no folder below theirs. */
export function snapshotPrefix(bucket: Pick<Bucket, 'prefix'>, recipient: Pick<Recipient, 'name'>): string {
  return [bucket.prefix, 'snapshots', recipient.name].filter((part) => part !== '').join('/');
}

/** Whom snapshots are for: the people's recipients, with the cluster's own where they are fewer than two. */
export function recipientsOf({ secrets }: Pick<Cluster, 'secrets'>): readonly Recipient[] {
  const people = secrets.recipients.filter(({ role }) => role !== 'cluster');
  return people.length < 2 ? secrets.recipients : people;
}

/** The Secret with the bucket's keys, in the clear. */
export function keysSecret({ accessKeyId = '', secretAccessKey = '' }: PlaceSecrets): object {
  return { apiVersion: 'v1', kind: 'Secret', type: 'Opaque', metadata: { name: JOB.keys, namespace: JOB.namespace }, stringData: { accessKeyId, secretAccessKey } };
}

/** Schedule, image and limits of a job that is in the repository already: they are the owner's. */
export function keptOf(text: string | undefined): JobKept {
  const found = Job.safeParse(quietly(text)).data;
  const { containers: [container] = [], volumes = [] } = found?.spec.jobTemplate.spec.template.spec ?? {};
  const { image, resources } = container ?? {};
  const kept = { schedule: found?.spec.schedule, image: image?.split(/[:@]/)[0]?.endsWith('/talos-backup') ? image : undefined, memory: resources?.limits?.memory, room: volumes.find(({ emptyDir }) => emptyDir?.sizeLimit)?.emptyDir?.sizeLimit };
  return Object.fromEntries(Object.entries(kept).filter(([, value]) => value !== undefined));
}

/** As far as a job's owner may have changed it. */
const Job = z.object({
  kind: z.literal('CronJob'),
  spec: z.object({
    schedule: z.string().optional(),
    jobTemplate: z.object({ spec: z.object({ template: z.object({ spec: z.object({
      containers: z.array(z.object({ image: z.string().optional(), resources: z.object({ limits: z.object({ memory: z.string().optional() }).optional() }).optional() })).optional(),
      volumes: z.array(z.object({ emptyDir: z.object({ sizeLimit: z.string().optional() }).optional() })).optional(),
    }) }) }) }),
  }),
});

/**
 * The job's manifests by file name. One container for each recipient (`recipientsOf`): the program encrypts for one alone, and one lost key must
 * lose nothing. `authority` is the PEM of the endpoint's own authority.
 */
export function jobManifests(cluster: Pick<Cluster, 'name' | 'secrets'>, bucket: Bucket, kept: JobKept, authority?: string): Readonly<Record<string, object>> {
  const metadata = { name: JOB.name, namespace: JOB.namespace };
  const people = recipientsOf(cluster);
  return {
    'namespace.yaml': { apiVersion: 'v1', kind: 'Namespace', metadata: { name: JOB.namespace, labels: { 'pod-security.kubernetes.io/enforce': 'restricted' } } },
    // Talos brings this kind where its API may be used from Kubernetes, and fills a Secret of the same name (siderolabs/talos: pkg/machinery/resources/kubeaccess).
    'service-account.yaml': { apiVersion: 'talos.dev/v1alpha1', kind: 'ServiceAccount', metadata, spec: { roles: [JOB.role] } },
    ...(authority === undefined ? {} : { 'authority.yaml': { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: JOB.authority, namespace: JOB.namespace }, data: { 'ca.pem': authority } } }),
    'cron-job.yaml': {
      apiVersion: 'batch/v1', kind: 'CronJob', metadata,
      spec: {
        schedule: kept.schedule ?? SCHEDULE, concurrencyPolicy: 'Forbid', startingDeadlineSeconds: 3600, successfulJobsHistoryLimit: 1, failedJobsHistoryLimit: 3,
        jobTemplate: { spec: { backoffLimit: 3, activeDeadlineSeconds: 1800, template: { spec: {
          restartPolicy: 'OnFailure', automountServiceAccountToken: false,
          securityContext: { runAsNonRoot: true, runAsUser: 1000, runAsGroup: 1000, seccompProfile: { type: 'RuntimeDefault' } },
          containers: people.map((recipient) => container(cluster, bucket, recipient, kept, authority !== undefined)),
          volumes: [
            { name: 'talos', secret: { secretName: JOB.name } },
            ...(authority === undefined ? [] : [{ name: 'authority', configMap: { name: JOB.authority } }]),
            // In memory: the snapshot lies there in the clear until it is encrypted, so twice its size. Each its own, since two of one second have one name.
            ...people.map(({ name }) => ({ name: `work-${name}`, emptyDir: { medium: 'Memory', sizeLimit: kept.room ?? ROOM } })),
          ],
        } } } },
      },
    },
  };
}

/** Flux's Kustomization of the job, apart from all others: it fails until Talos has brought its kind, and holds up nothing meanwhile. */
export function jobKustomization(cluster: Pick<Cluster, 'name'>): object {
  return {
    apiVersion: 'kustomize.toolkit.fluxcd.io/v1', kind: 'Kustomization', metadata: { name: 'backup', namespace: 'flux-system' },
    spec: {
      interval: '1h', retryInterval: '2m', timeout: '5m', sourceRef: { kind: 'GitRepository', name: 'flux-system' },
      path: `./${jobFolder(cluster)}`, prune: true, wait: true, decryption: { provider: 'sops', secretRef: { name: 'sops-age' } },
    },
  };
}

/** The Talos patch for control planes, as a value: the API may be used from that namespace, with that role and no other. */
export function talosAccess(): object {
  return { machine: { features: { kubernetesTalosAPIAccess: { enabled: true, allowedRoles: [JOB.role], allowedKubernetesNamespaces: [JOB.namespace] } } } };
}

/** Settings as siderolabs/talos-backup reads them (pkg/config/service.go), the bucket's keys as the AWS client does. */
function container(cluster: Pick<Cluster, 'name'>, bucket: Bucket, recipient: Recipient, { image = IMAGE, memory = MEMORY }: JobKept, ownAuthority: boolean): object {
  const key = (name: string): object => ({ secretKeyRef: { name: JOB.keys, key: name } });
  const settings = {
    CLUSTER_NAME: cluster.name, BUCKET: bucket.bucket, S3_PREFIX: snapshotPrefix(bucket, recipient), AWS_REGION: bucket.region, AGE_X25519_PUBLIC_KEY: recipient.key,
    // v0.1.0-beta.3 takes the path style when told "false"; later ones don't ask. Servers other than Amazon's mostly know neither names by bucket nor its newer checksums.
    ...(bucket.endpoint === undefined ? {} : { CUSTOM_S3_ENDPOINT: bucket.endpoint, USE_PATH_STYLE: 'false', AWS_REQUEST_CHECKSUM_CALCULATION: 'when_required' }),
    ...(ownAuthority ? { SSL_CERT_FILE: '/etc/s3-authority/ca.pem' } : {}),
  };
  return {
    name: recipient.name, image, command: ['/talos-backup'], workingDir: '/tmp',
    env: [
      ...Object.entries(settings).map(([name, value]) => ({ name, value })),
      { name: 'AWS_ACCESS_KEY_ID', valueFrom: key('accessKeyId') }, { name: 'AWS_SECRET_ACCESS_KEY', valueFrom: key('secretAccessKey') },
    ],
    resources: { requests: { cpu: '50m', memory: '64Mi' }, limits: { memory } },
    securityContext: { allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: { drop: ['ALL'] } },
    volumeMounts: [
      { name: `work-${recipient.name}`, mountPath: '/tmp' }, { name: 'talos', mountPath: '/var/run/secrets/talos.dev', readOnly: true },
      ...(ownAuthority ? [{ name: 'authority', mountPath: '/etc/s3-authority', readOnly: true }] : []),
    ],
  };
}

function quietly(text: string | undefined): unknown {
  try {
    return text === undefined ? undefined : parse(text);
  } catch {
    return undefined;
  }
}
