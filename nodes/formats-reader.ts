import type { Complaint } from './addresses.ts';
import { hostName } from './formats.ts';

const FORM = /^ssh:\/\/([A-Za-z0-9_][\w.-]*)@([^/:@\s]+)(?::(\d{1,5}))?\/?$/;

/** The machine with the card reader, `ssh://user@host[:port]`. A password in it is refused without being repeated. */
export function readerUrl(text: string): Complaint | undefined {
  const code = 'E_INVENTORY_READER_URL';
  const hint = 'Write ssh://USER@HOST, with :PORT after it where SSH does not listen on 22.';
  if (/^\w+:\/\/[^/@]*:[^/@]*@/.test(text)) {
    return { code: 'E_INVENTORY_SECRET_IN_FILE', message: 'the URL holds a password',
      hint: 'Take it out and change it; firstlight logs in with your SSH agent, or with readerKey in credentials.sops.yaml.' };
  }
  const parts = FORM.exec(text);
  if (parts === null) return { code, message: `"${text}" is not the SSH URL of a machine and a user of it`, hint };
  const [, , host = '', port] = parts;
  if (port !== undefined && (Number(port) < 1 || Number(port) > 65_535)) return { code, message: `${port} is not a port`, hint };
  return hostName(host);
}

/** A well-formed reader's URL in its parts; port 22 unless told. */
export function readerParts(text: string): { readonly user: string; readonly host: string; readonly port: number } {
  const [, user = '', host = '', port] = FORM.exec(text) ?? [];
  return { user, host, port: Number(port ?? 22) };
}
