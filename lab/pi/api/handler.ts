import type { Node } from '../node.ts';
import type { Call } from '../wire/server.ts';

/** Answers one call on this machine: `request` is the first message, further ones are in `call.requests`. */
export type NodeHandler = (node: Node, call: Call, request: Uint8Array) => AsyncIterable<Uint8Array>;

/** Handlers of one service by the call's name. */
export type Handlers = Readonly<Record<string, NodeHandler>>;
