import { once } from 'node:events';
import { createServer } from 'node:net';
import { randomInt } from 'node:crypto';
import { problem } from '../../lib/errors.ts';

/** A part of loopback that no other world on this machine has while it is held. */
export type LabNetwork = {
  /** For `planAddresses`. */
  readonly seed: number;
  close(): Promise<void>;
};

/** Port at which a world holds its network. */
const PORT = 8479;
const TRIES = 200;

/**
 * Takes a loopback network (of the 64 from 127.128 to 127.191; those below are the tests’ own) for one world by listening at its first address: worlds side by side,
 * of other processes too, never share one. `draw` gives a seed; `port` is one that all of them agree on. Throws `E_LAB_SUBNET` when none is found free.
 */
export async function holdNetwork(draw: () => number = () => randomInt(0x10000), port = PORT): Promise<LabNetwork> {
  for (let attempt = 0; attempt < TRIES; attempt += 1) {
    const seed = draw();
    const server = createServer((socket) => socket.destroy());
    server.listen(port, `127.${128 + (seed >> 8) % 64}.0.0`);
    const fault = await once(server, 'listening').then(() => undefined, (error: NodeJS.ErrnoException) => error);
    if (fault === undefined) return { seed, close: async () => { await once(server.close(), 'close'); } };
    if (fault.code !== 'EADDRINUSE') throw fault;
  }
  throw problem('E_LAB_SUBNET', 'no loopback network is free for another rehearsal', 'End other rehearsals of this machine first.');
}
