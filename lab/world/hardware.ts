import { mkdir, readdir, realpath, rm, symlink, truncate, unlink } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { createBoard } from '../pi/board.ts';
import { createBlankCard } from '../pi/card.ts';
import type { Board, BoardParts } from '../pi/types.ts';

/** One node's hardware: the board that is in its place now, and the path of the card that lies in its reader (a link to the newest card's file). */
export type Place = { readonly node: string; readonly board: Board; readonly card: string };

/** What a person and fate can do to the machines, at any time. Every function throws RangeError for a node that there isn't. */
export type Hardware = {
  readonly places: readonly Place[];
  /**
   * `board`: it is off at once and never powers on again (until `revive`); its card is as it was. `card`: unreadable from now on, in a
   * reader too (0 bytes); a board that runs from it panics and finds nothing to boot from. `both`: both.
   */
  kill(node: string, what: 'board' | 'card' | 'both'): Promise<void>;
  /**
   * Puts a spare board into the node's place and on its PoE port, with no card in it, and gives its MAC (made up unless given). The
   * old board goes to a drawer, without power, with the card that is in it.
   */
  spare(node: string, mac?: string): Promise<string>;
  /** Puts a new blank card into the node's reader, at the same path. The card before stays where it is: in the board that has it. */
  blankCard(node: string): Promise<void>;
  /**
   * The old board comes back, well: the one that went to the drawer last, else the one in its place. It is powered on by a supply of
   * its own, which the switch can't cut, with the card that was in it. Gives the board.
   */
  revive(node: string): Promise<Board>;
  /**
   * Cuts the node's board off from all other machines but the NAS: nobody reaches its Talos API (calls hang), it reaches no API
   * server and no other member of etcd, and no heartbeat goes out. It lives on: its pods run, and it keeps its iSCSI sessions.
   */
  cutOff(node: string): Promise<void>;
  /** Ends what `cutOff` began. */
  rejoin(node: string): Promise<void>;
};

/** What the machines are made of. `cards` and `folder` are folders of the world's own; `fed` tells whether a node's PoE port has power now. */
export type HardwareOptions = {
  readonly nodes: readonly { readonly name: string; readonly mac: string }[];
  readonly folder: string;
  readonly parts: BoardParts;
  /** An address of the network that the DHCP server gives to a board. */
  lease(): string;
  fed(node: string): boolean;
};

/** Further Raspberry Pis: a block of their vendor's that no inventory of ours uses. */
const SPARE_MAC = 'dc:a6:32:fe:00:';

type Slot = { node: string; board: Board; card: string; cards: number; readonly drawer: Board[]; ownSupply: boolean };

/** Puts the hardware of all nodes in place: boards without power, a blank card in each reader. */
export async function createHardware(options: HardwareOptions): Promise<Hardware & { supply(node: string, state: 'on' | 'off'): Promise<void>; off(): Promise<void> }> {
  const { folder, parts } = options;
  let boards = 0;
  const newBoard = (node: string, mac: string): Board => {
    boards += 1;
    return createBoard({ parts, mac, dhcpAddress: options.lease(), folder: join(folder, 'boards', boards > options.nodes.length ? `${node}-${boards}` : node) });
  };
  await mkdir(join(folder, 'cards'), { recursive: true });
  const slots = await Promise.all(options.nodes.map(async ({ name, mac }): Promise<Slot> => {
    const slot = { node: name, board: newBoard(name, mac), card: join(folder, 'cards', `${name}.img`), cards: 0, drawer: [], ownSupply: false };
    await layCard(slot);
    return slot;
  }));
  const at = (node: string): Slot => {
    const slot = slots.find((one) => one.node === node);
    if (!slot) throw new RangeError(`there is no node ${node}`);
    return slot;
  };
  const killCard = async ({ board, card }: Slot): Promise<void> => {
    await unreadable(await realpath(card));
    if (board.state() === 'off' || board.state() === 'dead') return;
    // The root of its system is gone: the kernel panics, and the board starts again.
    await board.powerOff();
    await board.powerOn();
  };
  return {
    places: slots,
    async kill(node, what) {
      const slot = at(node);
      if (what !== 'card') await slot.board.die();
      if (what !== 'board') await killCard(slot);
    },
    async spare(node, mac = `${SPARE_MAC}${(boards & 0xff).toString(16).padStart(2, '0')}`) {
      const slot = at(node);
      await slot.board.powerOff();
      slot.drawer.push(slot.board);
      slot.board = newBoard(node, mac);
      slot.ownSupply = false;
      if (options.fed(node)) await slot.board.powerOn();
      return mac;
    },
    blankCard: (node) => layCard(at(node)),
    async revive(node) {
      const slot = at(node);
      const board = slot.drawer.at(-1) ?? slot.board;
      if (board === slot.board) slot.ownSupply = true;
      board.mend();
      await board.powerOn();
      return board;
    },
    cutOff: (node) => at(node).board.cutOff(),
    rejoin: (node) => at(node).board.rejoin(),
    async supply(node, state) {
      const { board, ownSupply } = at(node);
      if (!ownSupply) await (state === 'on' ? board.powerOn() : board.powerOff());
    },
    async off() {
      await Promise.all(slots.flatMap((slot) => [slot.board, ...slot.drawer]).map((board) => board.powerOff()));
    },
  };
}

/** Makes a blank card and lets the reader's path point to it. */
async function layCard(slot: Slot): Promise<void> {
  slot.cards += 1;
  const file = `${slot.card}.${slot.cards}.img`;
  await createBlankCard(file);
  await unlink(slot.card).catch((error: NodeJS.ErrnoException) => { if (error.code !== 'ENOENT') throw error; });
  await symlink(basename(file), slot.card);
}

/** A dead card answers with no capacity, and what stood on it is lost. */
async function unreadable(file: string): Promise<void> {
  await truncate(file, 0);
  const lost = (await readdir(dirname(file))).filter((name) => name.startsWith(`${basename(file)}.ephemeral-`));
  await Promise.all(lost.map((name) => rm(join(dirname(file), name), { recursive: true, force: true, maxRetries: 20 })));
}
