import { isIP, isIPv4 } from 'node:net';
import { Netmask } from 'netmask';
import { problem, type FirstlightError } from '../../lib/errors.ts';
import { followChildren } from './child-connections.ts';
import { judgeOwnConnections } from './own-connections.ts';

/** The watch over a world that shares the machine's network. */
export type OutsideWatch = {
  /** Fires when something spoke to an address that is not in the plan. */
  readonly signal: AbortSignal;
  /** What that was. */
  seen(): FirstlightError | undefined;
  close(): void;
};

const HINT = 'The rehearsal was ended, since nothing real may be touched. See what names this address, or rehearse where the system allows a network namespace, out of which no way leads.';

/**
 * Watches that this process and every program it started speak to nobody but the plan's network (CIDR), not even to another part of
 * loopback, where a tunnel to the real cluster may end: our own connections are refused before they are made (`E_LAB_OUTSIDE`), a
 * program's is seen within a moment and the program killed.
 */
export function watchOutside(subnet: string): OutsideWatch {
  const network = new Netmask(subnet);
  const abort = new AbortController();
  let first: FirstlightError | undefined;
  const inside = (address: string): boolean => isIPv4(address) && network.contains(address);
  const found = (fault: FirstlightError): FirstlightError => {
    first ??= fault;
    abort.abort();
    return fault;
  };
  const restore = judgeOwnConnections((host, port) => {
    if (inside(host)) return undefined;
    const what = isIP(host) ? `was about to speak to ${host}${port === undefined ? '' : `:${port}`}` : `was about to look up ${host}`;
    return found(problem('E_LAB_OUTSIDE', `firstlight itself ${what}, which is not in the rehearsal’s plan (${subnet})`, HINT));
  });
  const stop = followChildren(inside, ({ pid, program, address, port }) => {
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      // it ended by itself
    }
    found(problem('E_LAB_OUTSIDE', `${program} (process ${pid}) spoke to ${address}:${port}, which is not in the rehearsal’s plan (${subnet})`, HINT));
  });
  return {
    signal: abort.signal, seen: () => first,
    close() {
      stop();
      restore();
    },
  };
}
