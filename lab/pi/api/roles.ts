const ADMIN = ['os:admin'];
const OPERATORS = ['os:admin', 'os:operator'];
const READERS = ['os:admin', 'os:operator', 'os:reader'];
const WATCHERS = [...READERS, 'os:etcd:backup'];

const BY_ROLES: readonly (readonly [readonly string[], string])[] = [
  [ADMIN, 'ApplyConfiguration Bootstrap Copy EtcdForfeitLeadership EtcdLeaveCluster EtcdRecover EtcdRemoveMemberByID GenerateClientConfiguration GenerateConfiguration Kubeconfig MetaWrite MetaDelete Read Reset Rollback Upgrade Create Destroy Update BlockDeviceWipe'],
  [OPERATORS, 'EtcdAlarmDisarm EtcdDefragment ImagePull PacketCapture Reboot Restart ServiceRestart ServiceStart ServiceStop Shutdown'],
  [['os:admin', 'os:operator', 'os:etcd:backup'], 'EtcdSnapshot'],
  [WATCHERS, 'EtcdAlarmList EtcdMemberList EtcdStatus'],
];
const ALLOWED = new Map(BY_ROLES.flatMap(([roles, names]) => names.split(' ').map((name) => [name, roles] as const)));

/** Which roles may make a call (siderolabs/talos:internal/app/machined/pkg/system/services/machined.go); what is not listed there is for readers. */
export function rolesFor(name: string): readonly string[] {
  return ALLOWED.get(name) ?? READERS;
}
