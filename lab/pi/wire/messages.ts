import { decode, encode, parseDefinitions, type Message } from './codec.ts';

// The messages that the virtual Pi speaks, from siderolabs/talos v1.11.0 (api/common, api/machine, api/cluster, api/security,
// api/time), cosi-project/runtime (v1alpha1/resource.proto, state.proto, meta.proto) and etcd-io/etcd (rpc.proto).
// Map fields are written as the repeated entry messages that they are on the wire.
const DEFINITIONS = parseDefinitions(`
message Empty { Metadata metadata = 1; }
message EmptyResponse { repeated Empty messages = 1; }
message Status { int32 code = 1; string message = 2; }
message Metadata { string hostname = 1; string error = 2; Status status = 3; }
message Data { Metadata metadata = 1; bytes bytes = 2; }
message Timestamp { int64 seconds = 1; int32 nanos = 2; }
message Duration { int64 seconds = 1; int32 nanos = 2; }
message Any { string type_url = 1; bytes value = 2; }

message ApplyConfigurationRequest { bytes data = 1; enum mode = 4; bool dry_run = 5; Duration try_mode_timeout = 6; }
message ApplyConfiguration { repeated string warnings = 2; enum mode = 3; string mode_details = 4; }
message ApplyConfigurationResponse { repeated ApplyConfiguration messages = 1; }
message BootstrapRequest { bool recover_etcd = 1; bool recover_skip_hash_check = 2; }
message Actor { string actor_id = 2; }
message ActorResponse { repeated Actor messages = 1; }
message RebootRequest { enum mode = 1; }
message ResetPartitionSpec { string label = 1; bool wipe = 2; }
message ResetRequest { bool graceful = 1; bool reboot = 2; repeated ResetPartitionSpec system_partitions_to_wipe = 3; repeated string user_disks_to_wipe = 4; enum mode = 5; }
message MetaWriteRequest { uint32 key = 1; bytes value = 2; }
message MetaDeleteRequest { uint32 key = 1; }
message VersionInfo { string tag = 1; string sha = 2; string built = 3; string go_version = 4; string os = 5; string arch = 6; }
message PlatformInfo { string name = 1; string mode = 2; }
message FeaturesInfo { bool rbac = 1; }
message Version { VersionInfo version = 2; PlatformInfo platform = 3; FeaturesInfo features = 4; }
message VersionResponse { repeated Version messages = 1; }
message Hostname { string hostname = 2; }
message HostnameResponse { repeated Hostname messages = 1; }

message ServiceEvent { string msg = 1; string state = 2; Timestamp ts = 3; }
message ServiceEvents { repeated ServiceEvent events = 1; }
message ServiceHealth { bool unknown = 1; bool healthy = 2; string last_message = 3; Timestamp last_change = 4; }
message ServiceInfo { string id = 1; string state = 2; ServiceEvents events = 3; ServiceHealth health = 4; }
message ServiceList { repeated ServiceInfo services = 2; }
message ServiceListResponse { repeated ServiceList messages = 1; }
message ServiceRequest { string id = 1; }
message ServiceAnswer { string resp = 2; }
message ServiceAnswerResponse { repeated ServiceAnswer messages = 1; }

message CopyRequest { string root_path = 1; }
message ReadRequest { string path = 1; }
message ListRequest { string root = 1; bool recurse = 2; int32 recursion_depth = 3; repeated enum types = 4; bool report_xattrs = 5; }
message FileInfo { string name = 2; int64 size = 3; uint32 mode = 4; int64 modified = 5; bool is_dir = 6; string error = 7; string link = 8; string relative_name = 9; uint32 uid = 10; uint32 gid = 11; }
message LogsRequest { string namespace = 1; string id = 2; enum driver = 3; bool follow = 4; int32 tail_lines = 5; }
message DmesgRequest { bool follow = 1; bool tail = 2; }
message ContainersRequest { string namespace = 1; enum driver = 2; }
message ContainerInfo { string namespace = 1; string id = 2; string image = 3; uint32 pid = 4; string status = 5; string pod_id = 6; string name = 7; }
message Container { repeated ContainerInfo containers = 2; }
message ContainersResponse { repeated Container messages = 1; }
message ProcessInfo { int32 pid = 1; int32 ppid = 2; string state = 3; int32 threads = 4; double cpu_time = 5; uint64 virtual_memory = 6; uint64 resident_memory = 7; string command = 8; string executable = 9; string args = 10; }
message Process { repeated ProcessInfo processes = 2; }
message ProcessesResponse { repeated Process messages = 1; }
message MemInfo { uint64 memtotal = 1; uint64 memfree = 2; uint64 memavailable = 3; uint64 buffers = 4; uint64 cached = 5; uint64 shmem = 21; }
message Memory { MemInfo meminfo = 2; }
message MemoryResponse { repeated Memory messages = 1; }
message MountStat { string filesystem = 1; uint64 size = 2; uint64 available = 3; string mounted_on = 4; }
message Mounts { repeated MountStat stats = 2; }
message MountsResponse { repeated Mounts messages = 1; }
message Time { string server = 2; Timestamp localtime = 3; Timestamp remotetime = 4; }
message TimeResponse { repeated Time messages = 1; }
message RestartRequest { string namespace = 1; string id = 2; enum driver = 3; }

message EventsRequest { int32 tail_events = 1; string tail_id = 2; int32 tail_seconds = 3; string with_actor_id = 4; }
message Event { Any data = 2; string id = 3; string actor_id = 4; }
message SequenceEvent { string sequence = 1; enum action = 2; }
message PhaseEvent { string phase = 1; enum action = 2; }
message TaskEvent { string task = 1; enum action = 2; }
message ServiceStateEvent { string service = 1; enum action = 2; string message = 3; ServiceHealth health = 4; }
message UnmetCondition { string name = 1; string reason = 2; }
message MachineStatusSpec { bool ready = 1; repeated UnmetCondition unmet_conditions = 2; }
message MachineStatusEvent { enum stage = 1; MachineStatusSpec status = 2; }
message AddressEvent { string hostname = 1; repeated string addresses = 2; }

message EtcdMemberListRequest { bool query_local = 1; }
message EtcdMember { uint64 id = 2; string hostname = 3; repeated string peer_urls = 4; repeated string client_urls = 5; bool is_learner = 6; }
message EtcdMembers { repeated string legacy_members = 2; repeated EtcdMember members = 3; }
message EtcdMemberListResponse { repeated EtcdMembers messages = 1; }
message EtcdRemoveMemberByIDRequest { uint64 member_id = 1; }
message EtcdForfeitLeadership { string member = 2; }
message EtcdForfeitLeadershipResponse { repeated EtcdForfeitLeadership messages = 1; }
message EtcdMemberStatus { string protocol_version = 1; int64 db_size = 2; int64 db_size_in_use = 3; uint64 leader = 4; uint64 raft_index = 5; uint64 raft_term = 6; uint64 raft_applied_index = 7; repeated string errors = 8; bool is_learner = 9; uint64 member_id = 10; string storage_version = 11; }
message EtcdStatus { EtcdMemberStatus member_status = 2; }
message EtcdStatusResponse { repeated EtcdStatus messages = 1; }
message EtcdMemberAlarm { uint64 member_id = 1; enum alarm = 2; }
message EtcdAlarm { repeated EtcdMemberAlarm member_alarms = 2; }
message EtcdAlarmResponse { repeated EtcdAlarm messages = 1; }

message ClusterInfo { repeated string control_plane_nodes = 1; repeated string worker_nodes = 2; string force_endpoint = 3; }
message HealthCheckRequest { Duration wait_timeout = 1; ClusterInfo cluster_info = 2; }
message HealthCheckProgress { Metadata metadata = 1; string message = 2; }
message CertificateRequest { bytes csr = 1; }
message CertificateResponse { bytes ca = 1; bytes crt = 2; }
message GenerateClientConfigurationRequest { repeated string roles = 1; Duration crt_ttl = 2; }
message GenerateClientConfiguration { bytes ca = 2; bytes crt = 3; bytes key = 4; bytes talosconfig = 5; }
message GenerateClientConfigurationResponse { repeated GenerateClientConfiguration messages = 1; }

message StringEntry { string key = 1; string value = 2; }
message ResourceMetadata { string namespace = 1; string type = 2; string id = 3; string version = 4; string owner = 5; string phase = 6; Timestamp created = 7; Timestamp updated = 8; repeated string finalizers = 9; repeated StringEntry annotations = 11; repeated StringEntry labels = 10; }
message Spec { bytes proto_spec = 1; string yaml_spec = 2; }
message Resource { ResourceMetadata metadata = 1; Spec spec = 2; }
message GetRequest { string namespace = 1; string type = 2; string id = 3; }
message ResourceResponse { Resource resource = 1; }
message ListResourcesRequest { string namespace = 1; string type = 2; }
message WatchOptions { bool bootstrap_contents = 1; }
message WatchRequest { string namespace = 1; string type = 2; string id = 3; WatchOptions options = 4; int32 api_version = 5; }
message WatchEvent { Resource resource = 1; enum event_type = 2; Resource old = 3; bytes bookmark = 5; }
message WatchResponse { repeated WatchEvent event = 1; }
message MachineConfigSpec { bytes yaml_marshalled = 1; }
message PrintColumn { string name = 1; string json_path = 2; }
message ResourceDefinition { string resource_type = 1; string display_type = 2; string default_namespace = 3; repeated string aliases = 4; repeated string all_aliases = 5; repeated PrintColumn print_columns = 6; enum sensitivity = 7; }

message MemberListRequest { bool linearizable = 1; }
message Member { uint64 ID = 1; string name = 2; repeated string peerURLs = 3; repeated string clientURLs = 4; bool isLearner = 5; }
message ResponseHeader { uint64 cluster_id = 1; uint64 member_id = 2; int64 revision = 3; uint64 raft_term = 4; }
message MemberListResponse { ResponseHeader header = 1; repeated Member members = 2; }
message MemberAddRequest { repeated string peerURLs = 1; bool isLearner = 2; }
message MemberAddResponse { ResponseHeader header = 1; Member member = 2; repeated Member members = 3; }
message MemberRequest { uint64 ID = 1; }
message StatusResponse { ResponseHeader header = 1; string version = 2; int64 dbSize = 3; uint64 leader = 4; uint64 raftIndex = 5; uint64 raftTerm = 6; uint64 raftAppliedIndex = 7; repeated string errors = 8; int64 dbSizeInUse = 9; bool isLearner = 10; string storageVersion = 11; }
message AlarmRequest { enum action = 1; uint64 memberID = 2; enum alarm = 3; }
message AlarmMember { uint64 memberID = 1; enum alarm = 2; }
message AlarmResponse { ResponseHeader header = 1; repeated AlarmMember alarms = 2; }
message SnapshotResponse { ResponseHeader header = 1; uint64 remaining_bytes = 2; bytes blob = 3; }
message MoveLeaderRequest { uint64 targetID = 1; }
message RangeRequest { bytes key = 1; }
`);

/** Encodes one of the messages above. Throws on an unknown message or field: a fault of the caller. */
export function pack(type: string, message: Message = {}): Uint8Array {
  return encode(DEFINITIONS, type, message);
}

/** Decodes one of the messages above. Throws on truncated data. */
export function unpack(type: string, bytes: Uint8Array): Message {
  return decode(DEFINITIONS, type, bytes);
}

/** A protobuf timestamp (or duration) from milliseconds. */
export function seconds(milliseconds: number): Message {
  const whole = Math.floor(milliseconds / 1000);
  return { seconds: BigInt(whole), nanos: Math.round((milliseconds - whole * 1000) * 1e6) };
}
