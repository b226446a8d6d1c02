import { COSI_HANDLERS } from '../cosi/handlers.ts';
import { ETCD_HANDLERS } from '../etcd/handlers.ts';
import { applyInMaintenance, applyRunning } from '../machine/apply.ts';
import { FILE_HANDLERS } from '../machine/files.ts';
import { HEALTH_HANDLERS } from '../machine/health.ts';
import { LIFECYCLE_HANDLERS } from '../machine/lifecycle.ts';
import { STATUS_HANDLERS } from '../machine/status.ts';
import type { Node } from '../node.ts';
import type { Call, Handler } from '../wire/server.ts';
import { status } from '../wire/status.ts';
import type { Handlers, NodeHandler } from './handler.ts';
import { rolesFor } from './roles.ts';

const MACHINE: Handlers = { ...STATUS_HANDLERS, ...FILE_HANDLERS, ...LIFECYCLE_HANDLERS, ...ETCD_HANDLERS, ApplyConfiguration: applyRunning };
const SERVICES: Readonly<Record<string, Handlers>> = {
  'machine.MachineService': MACHINE, 'cosi.resource.State': COSI_HANDLERS, 'cluster.ClusterService': HEALTH_HANDLERS, 'time.TimeService': { Time: STATUS_HANDLERS['Time']! },
};
// The calls that the maintenance service has but keeps for an administrator, whom nobody can be there.
const MAINTENANCE_REFUSED = ['Version', 'MetaWrite', 'MetaDelete', 'Reset', 'Upgrade'];

function split(method: string): readonly [string, string] {
  const [, service = '', name = ''] = method.split('/');
  return [service, name];
}

async function* run(handler: NodeHandler, node: Node, call: Call): AsyncGenerator<Uint8Array> {
  const requests = call.requests[Symbol.asyncIterator]();
  const first = await requests.next();
  const rest = { ...call, requests: { [Symbol.asyncIterator]: () => requests } };
  yield* handler(node, rest, first.done === true ? new Uint8Array() : first.value);
}

/** machined: answers a call on this machine for a caller with `call.roles`. */
export async function* answerHere(node: Node, call: Call): AsyncGenerator<Uint8Array> {
  const [service, name] = split(call.method);
  const handlers = SERVICES[service];
  if (!handlers) throw status('Unimplemented', `unknown service ${service}`);
  if (!rolesFor(name).some((role) => call.roles.includes(role))) throw status('PermissionDenied', 'not authorized');
  const handler = handlers[name];
  if (!handler) throw status('Unimplemented', `method ${name} not implemented`);
  yield* run(handler, node, call);
}

/** The maintenance service: reading what is no secret, and apply-config; nobody has a role here. */
export function maintenanceApi(node: () => Node): Handler {
  return async function* (call) {
    const [service, name] = split(call.method);
    const caller = { ...call, roles: [] };
    if (service === 'cosi.resource.State' && COSI_HANDLERS[name]) yield* run(COSI_HANDLERS[name], node(), caller);
    else if (service === 'machine.MachineService' && name === 'ApplyConfiguration') yield* run(applyInMaintenance, node(), caller);
    else if (service === 'machine.MachineService') {
      throw status('Unimplemented', MAINTENANCE_REFUSED.includes(name) ? 'API is not implemented in maintenance mode' : `method ${name} not implemented`);
    } else throw status('Unimplemented', `unknown service ${service}`);
  };
}
