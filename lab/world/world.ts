import { realpath } from 'node:fs/promises';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { writeWhole } from '../../lib/files.ts';
import type { Host, Question } from '../../lib/host.ts';
import { sopsEncrypt } from '../../lib/sops.ts';
import type { Cluster } from '../../nodes/cluster.ts';
import { startCardReader } from '../card-reader.ts';
import { startFactory, type LabFactory } from '../factory/factory.ts';
import { startGitHost, type LabGitHost } from '../git/host.ts';
import type { Mount } from '../kubernetes/volumes/node-volumes.ts';
import { startNas } from '../nas/nas.ts';
import type { LabVault } from '../vault/server.ts';
import type { LabNas } from '../nas/types.ts';
import type { Board } from '../pi/types.ts';
import { startSwitch, type LabSwitch } from '../switch.ts';
import { planAddresses, type AddressPlan } from './addresses.ts';
import { createHardware, type Hardware, type Place } from './hardware.ts';
import { rewriteInventory } from './inventory.ts';
import { makeKeys, type WorldKeys } from './keys.ts';
import { holdNetwork } from './network.ts';
import { createParts, etcdSettings } from './parts.ts';
import { copyHomelab, publish } from './repository.ts';
import { takeOverSecrets } from './secrets.ts';
import { copyState, keysOfState, layLuns, type WorldState } from './state.ts';
import { fillVault, startWorldVault, VAULT_CA } from './vault.ts';

/** What a world is made from. `folder` is its own and is removed by the caller; `cache` keeps built images between worlds. */
export type WorldOptions = {
  readonly host: Host;
  readonly cluster: Cluster;
  readonly folder: string;
  readonly cache: string;
  /** Absolute paths of etcd, kube-apiserver, kustomize-controller, … by name. */
  readonly programs: ReadonlyMap<string, string>;
  /** Where everything is; a loopback network of the world's own unless told. */
  readonly plan?: AddressPlan;
  /** A git repository (bare or not) whose history the git host begins with: what the lab rewrites is one commit upon it. A history of one commit unless told. */
  readonly history?: string;
  /** The disks of a NAS that ran before, used where they are: LUNs with data, and the settings that it sealed with its account's password. */
  readonly nas?: { readonly folder: string; readonly password: string };
  /** What it begins with in place of the owner's work tree and throw-away keys: a backup, opened. The machines are blank all the same. */
  readonly state?: WorldState;
};

/** A rehearsal's world: the machines of one inventory, at the addresses of its plan. */
export type World = Hardware & {
  /** The copied, rewritten cluster's folder. */
  readonly clusterFolder: string;
  /** What the ordinary commands need in their environment here: the owner's age identity, a home. */
  readonly environment: Readonly<Record<string, string>>;
  readonly plan: AddressPlan;
  readonly keys: WorldKeys;
  readonly factory: LabFactory;
  readonly power: LabSwitch | undefined;
  readonly nas: LabNas | undefined;
  readonly git: LabGitHost | undefined;
  readonly vault: LabVault | undefined;
  /** Every mount of a claim so far, and what the board found on the LUN. */
  readonly mounts: readonly Mount[];
  /** The hands of the person: puts cards into boards when asked to, knows the NAS's certificate; undefined for any other question. */
  readonly hands: (question: Question) => Promise<string | undefined>;
  /** Settings with which etcdctl reaches the running members. */
  etcdSettings(): Record<string, string>;
  close(): Promise<void>;
};

/** Port of the lab's image factory. */
const FACTORY_PORT = 8480;

/** Paths of repositories that the lab's git host serves under their real names. */
const PLAIN_PATH = /^(\/[A-Za-z0-9_-][A-Za-z0-9._-]*)+$/;

/** Makes the world of an inventory. What was started before a failure is stopped again. */
export async function createWorld(options: WorldOptions): Promise<World> {
  const { cluster, folder, host } = options;
  const closers: (() => Promise<void>)[] = [];
  const opened = async <T extends { close(): Promise<void> }>(thing: Promise<T>): Promise<T> => {
    const made = await thing;
    closers.push(() => made.close());
    return made;
  };
  const close = async (): Promise<void> => { for (const end of closers.splice(0).reverse()) await end(); };
  try {
    const plan = options.plan ?? planAddresses(cluster, (await opened(holdNetwork())).seed);
    const { state } = options;
    const made = await makeKeys(cluster.secrets.recipients, host.mask, options.nas?.password);
    const keys = state ? await keysOfState(made, state, cluster.secrets.recipients) : made;
    const factory = await opened(startFactory({ address: plan.free(), port: FACTORY_PORT, folder: join(options.cache, 'factory') }));
    const vault = cluster.vault && await opened(startWorldVault(cluster.vault, plan, keys.vaultClientSecret));
    const { parts, etcds, mounts } = createParts(options.programs, vault?.ca);
    const { supply, off, ...hardware } = await createHardware({ nodes: cluster.nodes, folder, parts, lease: () => plan.free(), fed: (name) => fed(name) });
    closers.push(off);
    const power = cluster.power && await opened(startSwitch({
      address: plan.address(cluster.power.address), port: plan.port(cluster.power.sshPort), user: cluster.power.user,
      password: keys.switchPassword, hostKey: keys.switchHost.key, ports: 24, speaks: cluster.power,
      onPower: async (port, state) => {
        const node = cluster.nodes.find((each) => each.port === port);
        if (node) await supply(node.name, state);
      },
    }));
    const fed = (name: string): boolean => {
      const port = cluster.nodes.find((node) => node.name === name)?.port;
      return port !== undefined && power?.state(port) === 'on';
    };
    const reader = cluster.reader && await opened(startCardReader({
      address: plan.address(cluster.reader.host), port: plan.port(cluster.reader.port), user: cluster.reader.user,
      authorizedKeys: [keys.reader.line], hostKey: keys.readerHost.key, environment: { PATH: process.env['PATH'] ?? '/usr/bin:/bin', HOME: folder },
    }));
    const disks = cluster.nas && {
      address: plan.address(cluster.nas.address), dsmPort: plan.port(cluster.nas.port), https: cluster.nas.https,
      iscsiPort: plan.port(cluster.nas.iscsiPort), account: { user: cluster.nas.user, password: keys.nasPassword },
      volume: { path: cluster.nas.volume, bytes: 8e12 }, folder: options.nas?.folder ?? join(folder, 'nas'),
    };
    if (disks && state) await layLuns(disks, state.luns, cluster.name);
    const nas = disks && await opened(startNas(disks));
    const worktree = join(folder, 'homelab');
    const clusterFolder = state ? await copyState(host, state, cluster.gitops?.branch ?? 'main', worktree) : await copyHomelab(cluster, worktree);
    if (!state) await takeOverSecrets(host, worktree, new Map(cluster.secrets.recipients.map((one, index) => [one.key, keys.age[index]?.recipient ?? one.key])));
    const repository = cluster.gitops && new URL(cluster.gitops.url);
    const gitPath = repository && PLAIN_PATH.test(repository.pathname) ? repository.pathname : '/homelab.git';
    await rewriteInventory(clusterFolder, cluster, plan, {
      factory: factory.url, cards: new Map(hardware.places.map(({ node, card }) => [node, card])), switchHostKey: power?.fingerprint ?? '',
      nasCertificate: nas?.fingerprint ?? '', gitHostKey: keys.gitHost.line, readerHostKey: reader?.fingerprint ?? '', gitPath,
      ...(vault ? { vault: { url: vault.url, ca: `./${VAULT_CA}` } } : {}),
      recipients: keys.age.map((pair) => pair.recipient),
    });
    if (vault && cluster.vault) await fillVault(vault, cluster.vault, worktree, clusterFolder, host.mask);
    const environment = await writeSecrets(options, keys, clusterFolder);
    if (cluster.gitops) await publish(host, worktree, join(folder, 'git', gitPath), cluster.gitops.branch, options.history);
    const git = repository && await opened(startGitHost({
      address: plan.address(repository.hostname), port: plan.port(Number(repository.port || 22)), user: repository.username || 'git',
      repositories: join(folder, 'git'), authorizedKeys: [keys.git.line], hostKey: keys.gitHost.key,
    }));
    const hands = handsOf(cluster, hardware.places, nas?.fingerprint, () => git?.fingerprint);
    return { ...hardware, clusterFolder, environment, plan, keys, factory, power, nas, git, vault, mounts, hands, close, etcdSettings: () => etcdSettings(etcds) };
  } catch (error) {
    await close();
    throw error;
  }
}

/**
 * Puts each card into the board that is now in its node's place (a board that no PoE switch feeds is switched off and on by hand
 * for it), and compares the certificate and the host key that are asked about with those that the lab's NAS and git host have.
 */
function handsOf(cluster: Cluster, places: readonly Place[], nasCertificate: string | undefined, gitHostKey: () => string | undefined): World['hands'] {
  const inserted = new Map<Board, string>();
  return async (question) => {
    if (question.code === 'nas.certificate') return nasCertificate && question.text.replaceAll(':', '').toLowerCase().includes(nasCertificate) ? 'yes' : 'no';
    if (question.code === 'restore.host-key') return question.text.includes(gitHostKey() ?? '?') ? 'yes' : 'no';
    if (question.code !== 'cards.insert') return undefined;
    for (const { node, board, card } of places) {
      const file = await realpath(card);
      const fed = cluster.power && cluster.nodes.find((each) => each.name === node)?.port !== undefined;
      if (!fed && inserted.has(board) && inserted.get(board) !== file) await board.powerOff();
      board.insertCard(file);
      inserted.set(board, file);
      if (!fed) await board.powerOn();
    }
    return 'done';
  };
}

/** Writes the owner's identity file and the encrypted credentials; gives the environment that opens them. */
async function writeSecrets(options: WorldOptions, keys: WorldKeys, clusterFolder: string): Promise<Record<string, string>> {
  const home = join(options.folder, 'home');
  if (options.state) return environmentOf(home, options.state.identityFile);
  const identityFile = join(home, 'keys.txt');
  const own = keys.age.filter((pair) => pair.role !== 'cluster').map((pair) => pair.identity);
  await writeWhole(identityFile, `${own.join('\n')}\n`, 0o600);
  const plain = stringify({
    clusterIdentity: keys.age.find((pair) => pair.role === 'cluster')?.identity,
    ...(options.cluster.power ? { switchPassword: keys.switchPassword } : {}),
    ...(options.cluster.reader ? { readerKey: keys.reader.key } : {}),
    ...(options.cluster.nas ? { nasPassword: keys.nasPassword } : {}),
    ...(options.cluster.vault ? { vaultClientSecret: keys.vaultClientSecret } : {}),
    ...(options.cluster.gitops ? { gitKey: keys.git.key } : {}),
  });
  const path = join(clusterFolder, 'credentials.sops.yaml');
  const recipients = keys.age.map((pair) => pair.recipient);
  await writeWhole(path, await sopsEncrypt(options.host, { plain, path, recipients }), 0o600);
  return environmentOf(home, identityFile);
}

function environmentOf(home: string, identityFile: string): Record<string, string> {
  return { SOPS_AGE_KEY_FILE: identityFile, HOME: home, XDG_CONFIG_HOME: join(home, '.config'), XDG_CACHE_HOME: join(home, '.cache') };
}
