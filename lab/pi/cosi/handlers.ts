import type { Handlers } from '../api/handler.ts';
import type { Node } from '../node.ts';
import { createMailbox } from '../wire/mailbox.ts';
import { pack, unpack } from '../wire/messages.ts';
import type { Call } from '../wire/server.ts';
import { status } from '../wire/status.ts';
import { isNamespace, isSensitive } from './definitions.ts';
import { resourceMessage, resourceReply, type Change, type Stored } from './store.ts';

type Wanted = { readonly namespace: string; readonly type: string; readonly id: string };

function wanted(call: Call, message: Readonly<Record<string, unknown>>): Wanted {
  const { namespace = '', type = '', id = '' } = message as Partial<Wanted>;
  if (!isNamespace(namespace)) throw status('PermissionDenied', `namespace "${namespace}" is not supported`);
  if (isSensitive(type) && !call.roles.includes('os:admin')) throw status('PermissionDenied', 'not authorized');
  return { namespace, type, id };
}

function event(change: Change): Uint8Array {
  const old = change.old === undefined ? {} : { old: resourceMessage(change.old) };
  return pack('WatchResponse', { event: [{ resource: resourceMessage(change.resource), event_type: change.kind, ...old }] });
}

function nothing(what: Wanted): Stored {
  const now = Date.now();
  return { namespace: what.namespace, type: what.type, id: what.id, owner: '', spec: {}, version: 0, created: now, updated: now };
}

function undefinedMessage(what: Wanted): Readonly<Record<string, unknown>> {
  const message = resourceMessage(nothing(what)) as { metadata: Readonly<Record<string, unknown>> };
  return { metadata: { ...message.metadata, version: 'undefined' }, spec: {} };
}

async function* watch(node: Node, call: Call, what: Wanted, contents: boolean): AsyncGenerator<Uint8Array> {
  const mailbox = createMailbox();
  const stop = node.resources.follow((change) => {
    const { resource } = change;
    if (resource.namespace !== what.namespace || resource.type !== what.type || (what.id !== '' && resource.id !== what.id)) return;
    mailbox.put(event(change));
  });
  try {
    yield new Uint8Array();
    const now = node.resources.list(what.namespace, what.type).filter((one) => what.id === '' || one.id === what.id);
    mailbox.clear();
    if (what.id !== '' || contents) for (const resource of now) yield event({ kind: 0, resource });
    if (what.id !== '' && now.length === 0) yield pack('WatchResponse', { event: [{ resource: undefinedMessage(what), event_type: 2 }] });
    if (contents) yield pack('WatchResponse', { event: [{ resource: undefinedMessage(what), event_type: 3, bookmark: Buffer.alloc(16, 1) }] });
    yield* mailbox.deliver(call.signal);
  } finally {
    stop();
  }
}

/** cosi.resource.State: reading and watching what is true of the machine. Writing is refused, as the lab's boards need none. */
export const COSI_HANDLERS: Handlers = {
  Get: async function* (node, call, request) {
    const what = wanted(call, unpack('GetRequest', request));
    const found = node.resources.list(what.namespace, what.type).find((one) => one.id === what.id);
    if (!found) throw status('NotFound', `resource ${what.type}(${what.namespace}/${what.id}@undefined) doesn't exist`);
    yield resourceReply(found);
  },
  List: async function* (node, call, request) {
    const what = wanted(call, unpack('ListResourcesRequest', request));
    for (const resource of node.resources.list(what.namespace, what.type)) yield resourceReply(resource);
  },
  Watch: (node, call, request) => {
    const message = unpack('WatchRequest', request);
    const options = (message['options'] ?? {}) as { bootstrap_contents?: boolean };
    return watch(node, call, wanted(call, message), options.bootstrap_contents === true);
  },
};
