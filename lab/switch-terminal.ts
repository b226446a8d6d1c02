import type { ServerChannel } from 'ssh2';

/** A switch's command line: what it greets with, its prompt now, what a line answers. `hides` while it asks for a password. */
export type Cli = {
  readonly greeting: string;
  prompt(): string;
  hides(): boolean;
  type(line: string): Promise<string>;
  /** Lines of a screen, after which it waits for a key; never unless told. */
  readonly screen?: number;
};

const MORE = '--More-- or (q)uit';

/** Serves a command line on a channel as a terminal would see it: echo, line ends with CR, a pager; while `hangs` it swallows all. */
export function serveTerminal(channel: ServerChannel, cli: Cli, hangs: () => boolean): void {
  let typed = '';
  let queue = Promise.resolve();
  let screens: string[] = [];
  const put = (text: string): void => void channel.write(text.replace(/\r?\n/g, '\r\n'));
  const page = (): void => {
    const next = screens.shift();
    if (next === undefined) return put(cli.prompt());
    put(screens.length === 0 ? next + cli.prompt() : next + MORE);
  };
  const enter = async (line: string): Promise<void> => {
    const answer = await cli.type(line).catch((error: unknown) => `${String(error)}\n`);
    const lines = answer.split(/(?<=\n)/);
    const size = cli.screen ?? lines.length;
    screens = [];
    for (let at = 0; at < lines.length; at += size) screens.push(lines.slice(at, at + size).join(''));
    page();
  };
  const key = async (sign: string): Promise<void> => {
    if (screens.length > 0) {
      put('\r                     \r');
      return page();
    }
    if (sign === '\r') return;
    if (sign !== '\n') {
      if (!cli.hides()) put(sign);
      typed += sign;
      return;
    }
    put('\n');
    const line = typed.trim();
    typed = '';
    await enter(line);
  };
  channel.on('data', (chunk: Buffer) => {
    if (hangs()) return;
    for (const sign of chunk.toString('utf8')) queue = queue.then(() => key(sign));
  });
  channel.on('error', () => {});
  if (!hangs()) put(cli.greeting + cli.prompt());
}
