import { StringDecoder } from 'node:string_decoder';
import { problem, type FirstlightError } from './errors.ts';
import type { Ssh } from './ssh.ts';

/** A device's command line, as a person would see it. */
export type Terminal = {
  /** Types one line (no secret) and gives what is printed until the device waits again, without the line's echo and the prompt. Throws `E_SSH_TIMEOUT`, `E_SSH_CLOSED`, `E_ABORTED`. */
  type(line: string): Promise<string>;
  /** The prompt that stands there now. */
  prompt(): string;
  /** As whom and where, for errors. */
  readonly name: string;
};

/** How to speak with it: `prompt` matches the whole last line when the device waits, `password` is given where it asks for one (never told in errors). */
export type TerminalOptions = { readonly prompt: RegExp; readonly password: string; readonly lineMs: number; readonly signal: AbortSignal };

const ASKS = /^(?:[\w ]*)password\s*:\s*$/i;
/** The end of a screen: a blank asks for the next. */
const PAGER = /^(?:\s*(?:<?-+ ?more ?-+>?|press any key\b).*)$/i;
/** Control sequences of a terminal (ECMA-48), and what a pager wipes its line with. */
const CONTROL = /\u001b\[[0-9;?]*[A-Za-z]|\u001b[=>]|[\r\u0000\u0007\u0008]/g;
const MOST = 2 ** 20;

/** Opens a terminal over a connection and waits for its first prompt. Throws as `Terminal.type`. */
export async function openTerminal(ssh: Ssh, options: TerminalOptions): Promise<Terminal> {
  const channel = await ssh.shell();
  const decoder = new StringDecoder('utf8');
  let printed = '';
  let prompt = '';
  let closed = false;
  let wake = (): void => {};
  channel.on('data', (chunk: Buffer) => {
    printed += decoder.write(chunk).replace(CONTROL, '');
    wake();
  });
  channel.on('close', () => {
    closed = true;
    wake();
  });
  channel.on('error', () => {});
  /** What came before the line on which the device now waits. */
  const untilWaiting = async (doing: string): Promise<string> => {
    let asked = 0;
    let timedOut = false;
    const onAbort = (): void => wake();
    const timer = setTimeout(() => {
      timedOut = true;
      wake();
    }, options.lineMs);
    options.signal.addEventListener('abort', onAbort, { once: true });
    try {
      for (;;) {
        const cut = printed.lastIndexOf('\n') + 1;
        const last = printed.slice(cut);
        if (options.prompt.test(last)) {
          prompt = last;
          const before = printed.slice(0, cut);
          printed = '';
          return before;
        }
        if (ASKS.test(last)) {
          // Asked again means that it was wrong: an empty line then gives up, and the prompt that comes tells the rest.
          printed = `${printed.slice(0, cut)}\n`;
          channel.write(asked++ === 0 ? `${options.password}\n` : '\n');
        } else if (PAGER.test(last)) {
          printed = printed.slice(0, cut);
          channel.write(' ');
        }
        if (options.signal.aborted) throw problem('E_ABORTED', `interrupted during ${doing} on ${ssh.name}`, 'Run the same command again to go on.');
        if (closed) throw broke(ssh.name, doing);
        if (printed.length > MOST) throw problem('E_SSH_ANSWER', `${doing} on ${ssh.name} answered more than ${MOST} characters`, 'This is not the answer of a healthy device: look at it by hand.');
        if (timedOut) throw problem('E_SSH_TIMEOUT', `${doing} on ${ssh.name} gave no prompt in ${options.lineMs} ms`, 'Look whether the device is busy or hangs, and whether its prompt looks as the driver says.');
        await new Promise<void>((resolve) => { wake = resolve; });
      }
    } finally {
      clearTimeout(timer);
      options.signal.removeEventListener('abort', onAbort);
    }
  };
  await untilWaiting('the first prompt');
  return {
    name: ssh.name,
    prompt: () => prompt,
    async type(line) {
      if (closed) throw broke(ssh.name, `"${line}"`);
      channel.write(`${line}\n`);
      const text = (await untilWaiting(`"${line}"`)).trimStart();
      return text.startsWith(line) ? text.slice(line.length).replace(/^[^\n]*\n/, '') : text;
    },
  };
}

function broke(name: string, doing: string): FirstlightError {
  return problem('E_SSH_CLOSED', `${name} closed the connection during ${doing}`, 'Try again; look into the device\'s log when it stays so.');
}
