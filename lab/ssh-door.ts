import { once } from 'node:events';
import { createServer, type Server as NetServer, type Socket } from 'node:net';
import ssh2, { type Connection } from 'ssh2';

/** Where an SSH server of the lab listens and what it says it is. `hostKey` is a private key, OpenSSH or PEM; port 0 takes a free one. */
export type DoorOptions = { readonly address: string; readonly port: number; readonly hostKey: string; readonly ident: string };

/** The way in to an SSH server that can be closed, or hang, and be opened again on the same port. */
export type SshDoor = {
  readonly port: number;
  /** Nothing listens any more and every connection is cut; resolves when that is so. */
  shut(): Promise<void>;
  /** Listens (again). */
  open(): Promise<void>;
  /** True: new connections are taken and never answered. False: those that hung are cut. */
  hang(hanging: boolean): void;
};

/** Opens the door: each connection is given to `serve`. Rejects where the address cannot be bound. */
export async function openSshDoor(options: DoorOptions, serve: (connection: Connection) => void): Promise<SshDoor> {
  const ssh = new ssh2.Server({ hostKeys: [options.hostKey], ident: options.ident }, (connection) => {
    connection.on('error', () => {});
    serve(connection);
  });
  const sockets = new Set<Socket>();
  let hanging = false;
  const listen = async (port: number): Promise<NetServer> => {
    const server = createServer({ noDelay: true }, (socket) => {
      sockets.add(socket);
      socket.on('error', () => {});
      socket.once('close', () => sockets.delete(socket));
      if (!hanging) ssh.injectSocket(socket);
    }).listen(port, options.address);
    await once(server, 'listening');
    return server;
  };
  let server: NetServer | undefined = await listen(options.port);
  const bound = server.address();
  const port = typeof bound === 'object' && bound !== null ? bound.port : options.port;
  return {
    port,
    async shut() {
      const closing = server;
      server = undefined;
      const closed = closing === undefined ? undefined : new Promise<void>((resolve) => closing.close(() => resolve()));
      for (const socket of sockets) socket.destroy();
      await closed;
    },
    open: async () => { server ??= await listen(port); },
    hang(now) {
      if (hanging && !now) for (const socket of sockets) socket.destroy();
      hanging = now;
    },
  };
}
