import { spawn, spawnSync } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';

type Message = { readonly id?: number; readonly sessionId?: string; readonly method?: string; readonly params?: Record<string, unknown>; readonly result?: Record<string, unknown>; readonly error?: { readonly message: string } };

/** A headless Chromium spoken to by the Chrome DevTools Protocol over its pipe (NUL-ended JSON on descriptors 3 and 4). */
export type Browser = {
  /** Calls a method of the protocol on the one page; rejects with the browser's own words. */
  readonly call: (method: string, params?: object) => Promise<Record<string, unknown>>;
  /** Every event since the begin whose method is that. */
  readonly events: (method: string) => readonly Record<string, unknown>[];
  /** Opens a page and resolves once it has loaded. */
  readonly open: (url: string) => Promise<void>;
  readonly close: () => Promise<void>;
};

/** Chromium's name on PATH, or undefined where there is none. */
export function chromium(): string | undefined {
  return ['chromium', 'chromium-browser', 'google-chrome'].find((name) => spawnSync(name, ['--version'], { timeout: 20_000 }).status === 0);
}

/** Starts Chromium with an empty profile in `folder` and one empty page with the Page, Runtime, Log and Network domains on. */
export async function startBrowser(program: string, folder: string): Promise<Browser> {
  const child = spawn(program, ['--headless', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--no-first-run', '--hide-scrollbars', '--disable-background-networking', '--disable-component-update', `--user-data-dir=${folder}`, '--remote-debugging-pipe', 'about:blank'],
    { stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'] });
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const [input, output] = [child.stdio[3] as Writable, child.stdio[4] as unknown as Readable];
  const waiting = new Map<number, (message: Message) => void>();
  const seen: Message[] = [];
  const listeners = new Set<(message: Message) => void>();
  let rest = '';
  let last = 0;
  output.setEncoding('utf8').on('data', (chunk: string) => {
    const parts = (rest + chunk).split('\0');
    rest = parts.pop() ?? '';
    for (const message of parts.map((part) => JSON.parse(part) as Message)) {
      if (message.id === undefined) { seen.push(message); for (const listener of listeners) listener(message); }
      else waiting.get(message.id)?.(message);
    }
  });
  const send = (method: string, params: object, sessionId?: string): Promise<Record<string, unknown>> => new Promise((resolve, reject) => {
    const id = ++last;
    waiting.set(id, (message) => (message.error ? reject(new Error(`${method}: ${message.error.message}`)) : resolve(message.result ?? {})));
    void ended.then(() => reject(new Error(`${method}: the browser has ended`)));
    input.write(JSON.stringify({ id, method, params, ...(sessionId !== undefined && { sessionId }) }) + '\0');
  });
  const { targetInfos } = await send('Target.getTargets', {}) as { targetInfos: { type: string; targetId: string }[] };
  const { sessionId } = await send('Target.attachToTarget', { targetId: targetInfos.find(({ type }) => type === 'page')!.targetId, flatten: true }) as { sessionId: string };
  const call = (method: string, params: object = {}): Promise<Record<string, unknown>> => send(method, params, sessionId);
  for (const domain of ['Page', 'Runtime', 'Log', 'Network']) await call(`${domain}.enable`);
  return {
    call,
    events: (method) => seen.filter((message) => message.method === method).map((message) => message.params ?? {}),
    open: async (url) => {
      const loaded = new Promise<void>((resolve) => listeners.add(function once(message) { if (message.method === 'Page.loadEventFired') { listeners.delete(once); resolve(); } }));
      await call('Page.navigate', { url });
      await loaded;
    },
    close: async () => { await send('Browser.close', {}).catch(() => undefined); await ended; },
  };
}
