/** A certificate and its private key, both PEM. */
export type KeyPair = { readonly crt: string; readonly key: string };

/** What a control plane's machine config says of Kubernetes and etcd; nothing here is invented by the lab. */
export type ControlPlaneMaterial = {
  readonly nodeName: string;
  readonly address: string;
  readonly clusterName: string;
  /** `https://address:6443` */
  readonly endpoint: string;
  readonly etcdCa: KeyPair;
  readonly kubernetesCa: KeyPair;
  readonly aggregatorCa: KeyPair;
  /** PEM private key. */
  readonly serviceAccountKey: string;
  /** Base64 keys, as in `cluster.secretboxEncryptionSecret` / `aescbcEncryptionSecret`. */
  readonly encryption: { readonly secretbox?: string; readonly aescbc?: string };
  /** `cluster.token`, `abcdef.0123456789abcdef`. */
  readonly bootstrapToken: string;
  readonly serviceSubnet: string;
  readonly podSubnet: string;
  /** Images of the static pods by their names (kube-apiserver, kube-controller-manager, kube-scheduler): shown, never fetched. */
  readonly images: Readonly<Record<string, string>>;
  readonly certSans: readonly string[];
  /** `cluster.apiServer.admissionControl`: plugins and their configuration, such as PodSecurity. */
  readonly admission: readonly { readonly name: string; readonly configuration: object }[];
  /** Which namespaces' pods may use the Talos API, with which roles; the authority makes their certificates. */
  readonly talosAccess?: { readonly osCa: KeyPair; readonly roles: readonly string[]; readonly namespaces: readonly string[] };
};

/** What a worker's (or control plane's) kubelet knows: the endpoint, the Kubernetes CA certificate and the bootstrap token. */
export type KubeletMaterial = {
  readonly nodeName: string;
  readonly address: string;
  readonly role: 'control plane' | 'worker';
  /** Whether pods may run beside a control plane (`cluster.allowSchedulingOnControlPlanes`). */
  readonly schedulable: boolean;
  readonly clusterName: string;
  readonly endpoint: string;
  readonly caCrt: string;
  /** Why Kubernetes' own iSCSI plugin can mount nothing here; undefined where it can. */
  readonly iscsiFault?: string;
  readonly bootstrapToken: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly kubeletVersion: string;
  /** What the Node object shows as osImage; `Talos (v1.11.0)` unless told. */
  readonly osImage?: string;
};
