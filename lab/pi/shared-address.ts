import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Etcd } from '../kubernetes/etcd.ts';
import { ownLink } from '../link.ts';
import type { Node } from './node.ts';

/** A control plane's part in the election of who has the virtual IP. */
export type SharedAddress = {
  /** `stop` hands the address on at once; after `kill` it is free when the lease has run out. */
  end(how: 'stop' | 'kill'): Promise<void>;
};

/** What a control plane serves: apid, trustd, kube-apiserver. */
const PORTS = [50000, 50001, 6443];
/** How long a dead holder keeps the address. Talos has etcd's default of 60 s. */
const LEASE_SECONDS = 6;
const LOOK_MS = 500;

/**
 * Contends for the virtual IP over this machine's own member of etcd, as siderolabs/talos:internal/app/machined/pkg/controllers/
 * network/operator/vip.go: the oldest key of the election wins, and lives as long as its lease. Who has the address answers there as
 * at its own; whoever loses etcd gives it up. The etcd may end at any time.
 */
export function contendFor(node: Node, address: string, etcd: Etcd): SharedAddress {
  const ended = new AbortController();
  const { signal } = ended;
  const election = `talos:v1:vip:election:${address}/`;
  void etcd.exited.then(() => ended.abort());
  let lease: string | undefined;
  let forward: Forward | undefined;

  const lose = async (): Promise<void> => {
    if (!forward) return;
    await forward.close();
    forward = undefined;
    node.sharedAddress = undefined;
    node.resources.refresh();
    node.say(`[talos] removing shared IP {"link": "end0", "ip": "${address}"}`);
  };
  const win = async (): Promise<void> => {
    if (forward) return;
    // The one before may not have let go yet.
    forward = await serveAt(address, node.address).catch(() => undefined);
    if (signal.aborted) await forward?.close();
    if (!forward || signal.aborted) return;
    node.sharedAddress = address;
    node.resources.refresh();
    node.say(`[talos] enabled shared IP {"link": "end0", "ip": "${address}"}`);
  };
  const campaign = async (): Promise<void> => {
    const before = await etcd.oldest(election);
    if (before?.value === node.hostname) await etcd.remove(before.key);
    const own = await etcd.grant(LEASE_SECONDS);
    lease = own;
    const key = election + BigInt(own).toString(16);
    await etcd.put(key, node.hostname, own);
    let alive = Date.now();
    while (!signal.aborted && Date.now() - alive < LEASE_SECONDS * 1000) {
      if (forward?.closed) return;
      const since = Date.now();
      const oldest = await Promise.all([etcd.oldest(election), etcd.keepAlive(own)]).then(([found]) => found, () => null);
      if (oldest !== null) {
        alive = since;
        if (oldest?.key === key) await win();
        else if (oldest === undefined || forward) return;
      }
      await sleep(LOOK_MS, undefined, { signal }).catch(() => {});
    }
  };
  const run = async (): Promise<void> => {
    while (!signal.aborted) {
      await campaign().catch(() => {});
      await lose();
      await sleep(LOOK_MS, undefined, { signal }).catch(() => {});
    }
  };
  const running = run();
  return {
    end: async (how) => {
      ended.abort();
      await forward?.close();
      if (how === 'stop' && lease !== undefined) await etcd.revoke(lease).catch(() => {});
      // What still asks an etcd without quorum is not waited for.
      if (how === 'stop') await running;
    },
  };
}

/** `closed` by its link, too: a machine that is cut off serves nobody. */
type Forward = { readonly closed: boolean; close(): Promise<void> };

/** Serves the ports of one address by handing every connection on to another, untouched. Rejects where the address is taken. */
async function serveAt(address: string, target: string): Promise<Forward> {
  const sockets = new Set<Socket>();
  const keep = (socket: Socket): void => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  };
  const servers = PORTS.map((port): readonly [Server, number] => [createServer((incoming) => {
    const outgoing = connect(port, target);
    keep(incoming);
    keep(outgoing);
    incoming.on('error', () => {}).on('close', () => outgoing.destroy());
    outgoing.on('error', () => {}).on('close', () => incoming.destroy());
    incoming.pipe(outgoing).pipe(incoming);
  }), port]);
  let closed = false;
  const close = async (): Promise<void> => {
    closed = true;
    unfollow?.();
    for (const socket of sockets) socket.destroy();
    await Promise.all(servers.map(async ([server]) => {
      if (!server.listening) return;
      const closed = once(server, 'close');
      server.close();
      await closed;
    }));
  };
  const unfollow = ownLink()?.follow((cut) => (cut ? close() : undefined));
  try {
    for (const [server, port] of servers) {
      server.listen(port, address);
      await once(server, 'listening');
    }
  } catch (error) {
    await close();
    throw error;
  }
  return { get closed() { return closed; }, close };
}
