import { listHosts, mapInitiator, shownAcls } from './hosts.ts';
import { addLun, type LunState, type NasState, type TargetState } from '../state.ts';
import { DsmRefusal, list, quoted, text, whole, type Parameters } from './parameters.ts';

/** A method of an API: what it answers, and whether it changes something. Numbers are those of the real API's error table. */
export type Method = { readonly writes: boolean; run(state: NasState, parameters: Parameters): Promise<unknown> | unknown };

const GIB = 1024 ** 3;
const KINDS = { btrfs: ['BLUN', 'BLUN_THICK', 'THIN', 'ADV', 'FILE'], ext4: ['FILE', 'THIN', 'ADV'] } as const;
const KNOWN = new Set<string>([...KINDS.btrfs, 'BLOCK', 'SINK', 'CINDER']);
const MOST = 128;

/** The APIs of SAN Manager and Storage Manager that the lab serves, with their methods (version 1). */
export const sanMethods: Readonly<Record<string, Readonly<Record<string, Method>>>> = {
  'SYNO.Core.Storage.Volume': {
    list: { writes: false, run: (state) => ({ volumes: [volume(state)], offset: 0, total: 1 }) },
  },
  'SYNO.Core.ISCSI.LUN': {
    list: { writes: false, run: (state) => ({ luns: [...state.luns.values()].map((lun) => showLun(state, lun)) }) },
    get: { writes: false, run: (state, parameters) => ({ lun: showLun(state, lunOf(state, parameters)) }) },
    create: { writes: true, run: createLun },
    set: { writes: true, run: setLun },
    map_target: { writes: true, run: (state, parameters) => map(state, [lunOf(state, parameters)], list(parameters, 'target_ids', 18990710).map((id) => targetById(state, String(id)))) },
  },
  'SYNO.Core.ISCSI.Target': {
    list: { writes: false, run: (state) => ({ targets: [...state.targets.values()].map((target) => showTarget(state, target)) }) },
    get: { writes: false, run: (state, parameters) => ({ target: showTarget(state, targetOf(state, parameters)) }) },
    create: { writes: true, run: createTarget },
    set: { writes: true, run: (state, parameters) => setTarget(state, targetOf(state, parameters), parameters) },
    enable: { writes: true, run: (state, parameters) => switchTarget(state, targetOf(state, parameters), true) },
    disable: { writes: true, run: (state, parameters) => switchTarget(state, targetOf(state, parameters), false) },
    map_lun: { writes: true, run: (state, parameters) => map(state, list(parameters, 'lun_uuids', 18990505).map((uuid) => lunById(state, String(uuid))), [targetOf(state, parameters)]) },
  },
  'SYNO.Core.ISCSI.Host': {
    list: { writes: false, run: listHosts },
    map_initiator: { writes: true, run: mapInitiator },
  },
};

function volume(state: NasState): Record<string, unknown> {
  const { path, bytes, fileSystem = 'btrfs' } = state.options.volume;
  return {
    display_name: path.replace('/volume', 'Volume '), volume_path: path, status: 'normal', fs_type: fileSystem, container: 'internal', location: 'internal',
    size_total_byte: String(bytes), size_free_byte: String(bytes),
  };
}

async function createLun(state: NasState, parameters: Parameters): Promise<unknown> {
  const name = text(parameters, 'name', 18990503);
  const bytes = whole(parameters, 'size', 18990502);
  const type = text(parameters, 'type', 18990500);
  const { path, fileSystem = 'btrfs', bytes: room } = state.options.volume;
  if (!/^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$/.test(name)) throw new DsmRefusal(18990503);
  if (!KNOWN.has(type)) throw new DsmRefusal(18990500);
  if (text(parameters, 'location', 18990501) !== path) throw new DsmRefusal(18990501);
  if (!(KINDS[fileSystem] as readonly string[]).includes(type)) throw new DsmRefusal(18990318);
  if (bytes < GIB || bytes % 512 !== 0) throw new DsmRefusal(18990502);
  if (bytes > room) throw new DsmRefusal(18990002);
  if ([...state.luns.values()].some((lun) => lun.name === name)) throw new DsmRefusal(18990538);
  if (state.luns.size >= MOST) throw new DsmRefusal(18990541);
  const attributes = parameters.has('dev_attribs') ? list(parameters, 'dev_attribs', 18990622).map(attribute) : [];
  const lun = await addLun(state, { name, bytes, type, attributes, description: parameters.has('description') ? text(parameters, 'description', 18990004) : '' });
  return { uuid: lun.uuid, lun_id: lun.lunId };
}

function attribute(value: unknown): { dev_attrib: string; enable: number } {
  const { dev_attrib, enable } = (value ?? {}) as { dev_attrib?: unknown; enable?: unknown };
  if (typeof dev_attrib !== 'string' || (enable !== 0 && enable !== 1)) throw new DsmRefusal(18990622);
  return { dev_attrib, enable };
}

async function setLun(state: NasState, parameters: Parameters): Promise<unknown> {
  const lun = lunOf(state, parameters);
  const bytes = whole(parameters, 'new_size', 18990502, lun.bytes);
  if (bytes < lun.bytes || bytes % 512 !== 0) throw new DsmRefusal(18990502);
  if (bytes > state.options.volume.bytes) throw new DsmRefusal(18990002);
  await lun.file.truncate(bytes);
  lun.bytes = bytes;
  return {};
}

function createTarget(state: NasState, parameters: Parameters): unknown {
  const name = text(parameters, 'name', 18990700);
  const iqn = text(parameters, 'iqn', 18990004);
  const targets = [...state.targets.values()];
  if (targets.some((target) => target.name === name)) throw new DsmRefusal(18990744);
  if (targets.some((target) => target.iqn === iqn)) throw new DsmRefusal(18990745);
  if (targets.length >= MOST) throw new DsmRefusal(18990542);
  const target: TargetState = {
    targetId: (state.nextId += 1), name, iqn, authType: 0, user: '', password: '', mutualUser: '', mutualPassword: '', maxSessions: 1, enabled: true, mapped: [],
  };
  setTarget(state, target, parameters);
  state.targets.set(target.targetId, target);
  return { target_id: target.targetId };
}

function setTarget(_state: NasState, target: TargetState, parameters: Parameters): unknown {
  const authType = whole(parameters, 'auth_type', 18990702, target.authType);
  if (authType > 2) throw new DsmRefusal(18990702);
  const maxSessions = whole(parameters, 'max_sessions', 18990004, target.maxSessions);
  const chap = { user: target.user, password: target.password, mutualUser: target.mutualUser, mutualPassword: target.mutualPassword };
  if (parameters.has('user')) chap.user = text(parameters, 'user', 18990708);
  if (parameters.has('password')) chap.password = secret(parameters, 'password');
  if (parameters.has('mutual_user')) chap.mutualUser = text(parameters, 'mutual_user', 18990708);
  if (parameters.has('mutual_password')) chap.mutualPassword = secret(parameters, 'mutual_password');
  const missing = (authType >= 1 && !(chap.user && chap.password)) || (authType === 2 && !(chap.mutualUser && chap.mutualPassword));
  if (missing || (authType === 2 && chap.mutualPassword === chap.password)) throw new DsmRefusal(18990708);
  Object.assign(target, chap, { authType, maxSessions });
  return {};
}

/** DSM takes CHAP secrets of 12 to 16 characters. */
function secret(parameters: Parameters, name: string): string {
  const value = text(parameters, name, 18990708);
  if (value.length < 12 || value.length > 16) throw new DsmRefusal(18990708);
  return value;
}

/** A target that is switched off lets go of its sessions at once, as LIO does. */
function switchTarget(state: NasState, target: TargetState, enabled: boolean): unknown {
  target.enabled = enabled;
  if (!enabled) for (const session of [...state.sessions]) if (session.target === target) session.drop();
  return {};
}

function map(_state: NasState, luns: readonly LunState[], targets: readonly TargetState[]): unknown {
  for (const target of targets) {
    for (const lun of luns) {
      if (target.mapped.some((each) => each.uuid === lun.uuid)) continue;
      let index = 1;
      while (target.mapped.some((each) => each.index === index)) index += 1;
      target.mapped.push({ uuid: lun.uuid, index });
    }
  }
  return {};
}

function lunOf(state: NasState, parameters: Parameters): LunState {
  return lunById(state, quoted(parameters, 'uuid', 18990505));
}

function lunById(state: NasState, uuid: string): LunState {
  const lun = state.luns.get(uuid);
  if (!lun) throw new DsmRefusal(18990531);
  return lun;
}

function targetOf(state: NasState, parameters: Parameters): TargetState {
  return targetById(state, quoted(parameters, 'target_id', 18990710));
}

function targetById(state: NasState, id: string): TargetState {
  const target = state.targets.get(Number(id));
  if (!target) throw new DsmRefusal(18990710);
  return target;
}

function showLun(state: NasState, lun: LunState): Record<string, unknown> {
  const mapped = [...state.targets.values()].some((target) => target.mapped.some((each) => each.uuid === lun.uuid));
  return {
    lun_id: lun.lunId, uuid: lun.uuid, name: lun.name, type: lun.type.startsWith('BLUN') ? 263 : 3, type_str: lun.type, location: state.options.volume.path,
    size: lun.bytes, allocated_size: lun.blocksWritten * 512, block_size: 512, status: 'normal', is_action_locked: false, is_mapped: mapped,
    description: lun.description, dev_attribs: lun.attributes, vpd_unit_sn: lun.uuid,
  };
}

function showTarget(state: NasState, target: TargetState): Record<string, unknown> {
  const connected = [...state.sessions].filter((session) => session.target === target);
  return {
    target_id: target.targetId, name: target.name, iqn: target.iqn, auth_type: target.authType, user: target.user, password: '', mutual_user: target.mutualUser, mutual_password: '',
    max_sessions: target.maxSessions, is_enabled: target.enabled, is_default_target: false, status: target.enabled ? (connected.length > 0 ? 'connected' : 'online') : 'offline',
    has_data_checksum: false, has_header_checksum: false, max_recv_seg_bytes: 262_144, max_send_seg_bytes: 262_144, mapping_index: -1,
    mapped_luns: target.mapped.map((each) => ({ lun_uuid: each.uuid, mapping_index: each.index })),
    acls: shownAcls(state, target),
    connected_sessions: connected.map((session) => ({ iqn: session.initiator, ip: session.address })),
    network_portals: [{ interface_name: 'all', ip: '', port: state.options.iscsiPort }],
  };
}
