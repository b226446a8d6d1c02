type Reasons = readonly (readonly [RegExp, string])[];

const HARDWARE = 'the lab has no such hardware';
const INSIDE = 'tells of the inside of a real kernel or kubelet, of which the lab has none';
const OTHER_BOARD = 'container mode has no disks, no META and no iSCSI; the metal recordings are compared instead';
const UNUSED = 'a resource that neither firstlight nor talosctl\'s own commands read';
const TIMING = 'watched while something else went on; the order is in other tests';
const SECRETS = 'redacted where it was recorded';

const ALWAYS: Reasons = [
  [/^get (routes|hostnamespec|maintenanceserviceconfigs|blockdevices|kubeletspec|etcdspec|certsans|apicertificates|kernelparamstatus|staticpods|staticpodstatus|nodestatus|mountstatus|nodename)/, UNUSED],
  [/^get (pcidevices|kernelcmdline)/, HARDWARE],
  [/^(logs (kubelet|machined|etcd)$|processes|stats|memory|containers kubernetes|list long|mounts|usage|dmesg|two nodes (logs|memory|processes))/, INSIDE],
  [/watch (after|across|insecure across)|^events|right after bootstrap/, TIMING],
  [/^time$|^get (timestatus|timeservers|resolvers)/, 'no name or time server could be reached where it was recorded, or time was disabled'],
  [/^(get mc v1alpha1 (yaml|json|jsonpath)|kubeconfig to stdout)/, SECRETS],
];
const CONTAINER: Reasons = [
  [/^get (systemdisk|metakeys|platformmetadata|services|disks|discoveredvolumes)|^read iscsi|^get one id yaml|^get jsonpath/, OTHER_BOARD],
  [/^service kubelet|two nodes service kubelet|^worker as endpoint for itself: service/, 'the container\'s kubelet waited in another order'],
];

/** Recordings whose values are the hardware's or the container's own: compared in their shape (columns, fields, types, owners). */
export const SHAPE_ONLY: Reasons = [
  [/get (links|addresses|disks|discoveredvolumes|volumestatus|nodeaddress)|^get one id/, 'interfaces, disks and addresses are another machine\'s'],
  [/dry-run (patch sysctl|sysctl patch|install disk patch)|worker config on control plane|other cluster config|type change/, 'the config that it is compared with was generated with a registry mirror'],
];

/** Recorded commands that the virtual Pi does not imitate, by file: names and why. Everything else is compared. */
export const NOT_IMITATED: Readonly<Record<string, Reasons>> = {
  maintenance: [...ALWAYS, ...CONTAINER, [/right fingerprint/, 'the recorded certificate\'s; board.test.ts asks with the board\'s own']],
  'vm-maintenance': ALWAYS,
  'applied-controlplane-before-bootstrap': [...ALWAYS, ...CONTAINER, [/^apply-config insecure$/, 'the suite applies it before']],
  bootstrapped: [...ALWAYS, ...CONTAINER, [/cluster other/, 'another cluster\'s machine; recovery is in control-plane.test.ts'], [/s later$/, 'the recorder waited; running.test.ts does'], [/downgrade/, 'firstlight downgrades no etcd']],
  worker: [
    ...ALWAYS, ...CONTAINER, [/^(apply-config insecure worker|service|services \(alias\)|get machinestatus json)$/, 'recorded within a second of the first answer, while the kubelet started'],
  ],
  errors: [
    ...ALWAYS, ...CONTAINER, [/^bootstrap repeated|container mode/, 'another cluster\'s container-mode machine'],
    [/^(upgrade|rollback)/, 'refused for being a container; the virtual Pi has no upgrade'],
  ],
};
