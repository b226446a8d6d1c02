import { once } from 'node:events';
import { mkdir } from 'node:fs/promises';
import { createServer, type Server, type Socket } from 'node:net';
import { fingerprintOf, selfSigned } from './dsm/certificate.ts';
import { createDsmServer } from './dsm/server.ts';
import { serveConnection } from './iscsi/connection.ts';
import { shownSessions } from './iscsi/sessions.ts';
import { recall, remember } from './memory.ts';
import { createState } from './state.ts';
import type { LabNas, NasOptions } from './types.ts';

/**
 * Starts a Synology's network face: the DSM web API on `dsmPort`, and a real iSCSI target on `iscsiPort` whose LUNs are
 * what the API made, also when it ran in this folder before. Resolves when both listen. Throws what listening throws (EADDRINUSE).
 */
export async function startNas(options: NasOptions): Promise<LabNas> {
  await mkdir(options.folder, { recursive: true });
  const state = createState(options);
  const { https = true } = options;
  const before = await recall(state);
  const certificate = https === true ? before ?? await selfSigned(options.address) : https === false ? undefined : https;
  const dsm = createListener(createDsmServer(state, certificate, () => remember(state, certificate)), options.address, options.dsmPort);
  const iscsi = createListener(createServer({ noDelay: true }, (socket) => {
    socket.on('error', () => {});
    void serveConnection(state, socket).catch(() => socket.destroy());
  }), options.address, options.iscsiPort);
  await dsm.start();
  try {
    await iscsi.start();
  } catch (error) {
    await dsm.stop();
    throw error;
  }
  return {
    fingerprint: certificate && fingerprintOf(certificate.cert),
    requests: state.requests,
    sessions: () => shownSessions(state),
    luns: () => [...state.luns.values()].map((lun) => ({
      name: lun.name, uuid: lun.uuid, bytes: lun.bytes, blocksWritten: lun.blocksWritten,
      mapped: [...state.targets.values()].some((target) => target.mapped.some((each) => each.uuid === lun.uuid)),
    })),
    corruptions: () => [...state.corruptions],
    addHost: (host) => void state.hosts.push({ hostId: String(state.nextId += 1), ...host }),
    hosts: () => state.hosts.map(({ name, initiators }) => ({ name, initiators })),
    maskTarget(iqn, initiators) {
      for (const target of state.targets.values()) if (target.iqn === iqn) target.allowed = initiators;
    },
    async forgetConfiguration() {
      for (const session of [...state.sessions]) session.drop();
      state.targets.clear();
      state.hosts.length = 0;
      await remember(state, certificate);
    },
    openLogins: () => state.logins.size,
    async fail(fault) {
      state.fault = fault;
      if (fault?.kind === 'refuse') await Promise.all([dsm.stop(), iscsi.stop()]);
      else await Promise.all([dsm.start(), iscsi.start()]);
    },
    async close() {
      await Promise.all([dsm.stop(), iscsi.stop()]);
      await remember(state, certificate);
      for (const lun of state.luns.values()) await lun.file.close();
      state.luns.clear();
    },
  };
}

/** A server that can be stopped, with every connection, and started again on the same port. */
function createListener(server: Server, address: string, port: number): { start(): Promise<void>; stop(): Promise<void> } {
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  });
  return {
    async start() {
      if (server.listening) return;
      server.listen(port, address);
      await once(server, 'listening');
    },
    async stop() {
      if (!server.listening) return;
      const closed = once(server, 'close');
      server.close();
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}
