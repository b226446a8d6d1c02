import { AsyncLocalStorage } from 'node:async_hooks';

/**
 * A machine's link to the network of the others. What runs on the machine, in this process or as a program, belongs to the link in
 * whose `run` it was started, and so does whatever that starts.
 */
export type Link = {
  /** Runs work on this machine. */
  run<T>(work: () => T): T;
  readonly isCut: boolean;
  /** Nothing goes in or out any more: programs stand still, calls fail, listeners are closed. */
  cut(): Promise<void>;
  mend(): Promise<void>;
  /** Hears of every cut (true) and mending (false), until the returned function is called. */
  follow(hear: (cut: boolean) => void | Promise<void>): () => void;
};

const own = new AsyncLocalStorage<Link>();

/** The link of the machine on which this code runs, if it runs on one. */
export function ownLink(): Link | undefined {
  return own.getStore();
}

/** Makes the link of a machine; it is up. */
export function createLink(): Link {
  const hearers = new Set<(cut: boolean) => void | Promise<void>>();
  let isCut = false;
  const turn = async (cut: boolean): Promise<void> => {
    if (isCut === cut) return;
    isCut = cut;
    await Promise.all([...hearers].map((hear) => hear(cut)));
  };
  const link: Link = {
    run: (work) => own.run(link, work),
    get isCut() { return isCut; },
    cut: () => turn(true),
    mend: () => turn(false),
    follow: (hear) => {
      hearers.add(hear);
      return () => void hearers.delete(hear);
    },
  };
  return link;
}

/** Who holds which address on a network: of two machines with one address the first keeps it, until it is gone or cut off. */
export type Addresses = {
  /** True when the address is this machine's now. */
  take(address: string, link: Link): boolean;
  /** Gives up all that the machine holds. */
  release(link: Link): void;
};

/** A network on which nobody holds an address yet. */
export function createAddresses(): Addresses {
  const holders = new Map<string, Link>();
  return {
    take: (address, link) => {
      const holder = holders.get(address);
      if (holder && holder !== link && !holder.isCut) return false;
      holders.set(address, link);
      return true;
    },
    release: (link) => {
      for (const [address, holder] of holders) if (holder === link) holders.delete(address);
    },
  };
}
