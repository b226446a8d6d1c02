import { etcdGateway } from './etcd-gateway.ts';
import { pause, type Access } from './secure-client.ts';

/** What a joining member needs: its name and peer URL, whom to ask, and the client certificate to ask with. */
export type JoinRequest = {
  readonly name: string;
  readonly peerUrl: string;
  readonly clientUrls: readonly string[];
  readonly access: Access;
  readonly signal?: AbortSignal | undefined;
};

/** The id the cluster gave, and the value of etcd's `--initial-cluster`. */
export type Joined = { readonly id: bigint; readonly initialCluster: string };

/** Between two tries; Talos takes 3 s (siderolabs/talos:internal/app/machined/pkg/system/services/etcd.go). */
const RETRY_MS = 500;

/**
 * Has the running members take in a new learner, after removing an older member of the same name, as Talos does; tries until
 * it works (one learner at a time, or no quorum yet). Throws an AbortError when the signal fires.
 */
export async function joinCluster(request: JoinRequest): Promise<Joined> {
  const signal = request.signal ?? new AbortController().signal;
  for (;;) {
    for (const url of request.clientUrls) {
      signal.throwIfAborted();
      const joined = await tryJoin(url, request).catch(() => undefined);
      if (joined) return joined;
    }
    await pause(RETRY_MS, signal);
    signal.throwIfAborted();
  }
}

async function tryJoin(url: string, request: JoinRequest): Promise<Joined> {
  const gateway = etcdGateway({ ...request.access, url });
  try {
    for (const older of await gateway.members()) {
      if (older.name === request.name) await gateway.removeMember(older.id);
    }
    const id = await gateway.addLearner(request.peerUrl);
    const members = await gateway.members();
    const parts = members.flatMap((member) => member.peerUrls.map((peer) => `${member.id === id ? request.name : member.name}=${peer}`));
    return { id, initialCluster: parts.join(',') };
  } finally {
    gateway.close();
  }
}

/** Asks the others to promote the learner of this name until one does, or until the learner ends. */
export async function keepPromoting(name: string, access: Access, clientUrls: readonly string[], ended: AbortSignal): Promise<void> {
  while (await pause(RETRY_MS, ended)) {
    for (const url of clientUrls) {
      const gateway = etcdGateway({ ...access, url });
      const done = await promoted(gateway, name).catch(() => false).finally(() => gateway.close());
      if (done) return;
    }
  }
}

async function promoted(gateway: ReturnType<typeof etcdGateway>, name: string): Promise<boolean> {
  const self = (await gateway.members()).find((member) => member.name === name);
  if (self === undefined) return false;
  if (self.learner) await gateway.promote(self.id);
  return true;
}
