/**
 * What is asked of the agent: `question` is JSON and answered by JSON; `write` carries bytes, `zeros` their number only;
 * `digest` is answered by the SHA-256 of what is at a place; `ping` is not answered.
 */
export type Operation = 'question' | 'write' | 'zeros' | 'read' | 'digest' | 'sync' | 'ping';

/** One request. `handle` is an open file of the agent, `at` and `count` are bytes. */
export type Request = { readonly operation: Operation; readonly handle?: number; readonly at?: number; readonly count?: number; readonly payload?: Uint8Array };

/** One answer: of a request, by its id. `value` is bytes written or read; a failed one has an errno name as payload. */
export type Answer = { readonly id: number; readonly failed: boolean; readonly value: number; readonly payload: Buffer };

const LETTERS: Readonly<Record<Operation, string>> = { question: 'Q', write: 'W', zeros: 'Z', read: 'R', digest: 'D', sync: 'S', ping: 'P' };
const GREETING = Buffer.from('\n<firstlight-card-agent>\n');
const ANSWER_BYTES = 16;
/** What a shell may say before the agent does (a profile that greets). */
const MOST_NOISE = 64 * 1024;
const MOST_PAYLOAD = 64 * 2 ** 20;

/** The 24 bytes before a request's payload: id, operation, handle, count, payload's length, place; big-endian, as agent.py reads them. */
export function requestHeader(id: number, request: Request): Buffer {
  const header = Buffer.alloc(24);
  header.writeUInt32BE(id, 0);
  header.write(LETTERS[request.operation], 4, 'latin1');
  header.writeUInt16BE(request.handle ?? 0, 6);
  header.writeUInt32BE(request.count ?? 0, 8);
  header.writeUInt32BE(request.payload?.length ?? 0, 12);
  header.writeBigUInt64BE(BigInt(request.at ?? 0), 16);
  return header;
}

/**
 * Takes the agent's output apart, piece by piece: what comes before the greeting is left out. `each` gets every whole answer.
 * The function it gives is false where this is no agent's output.
 */
export function answerReader(each: (answer: Answer) => void): (piece: Buffer) => boolean {
  let greeted = false;
  let held: Buffer[] = [];
  let size = 0;
  let wanted = GREETING.length;
  const whole = (): Buffer => {
    const all = held.length === 1 && held[0] ? held[0] : Buffer.concat(held);
    held = [all];
    return all;
  };
  const drop = (all: Buffer, bytes: number): void => {
    const rest = all.subarray(bytes);
    [held, size] = rest.length > 0 ? [[rest], rest.length] : [[], 0];
  };
  return (piece) => {
    held.push(piece);
    size += piece.length;
    while (size >= wanted) {
      const all = whole();
      if (!greeted) {
        const at = all.indexOf(GREETING);
        if (at < 0) return size < MOST_NOISE;
        greeted = true;
        drop(all, at + GREETING.length);
        wanted = ANSWER_BYTES;
        continue;
      }
      const length = all.readUInt32BE(12);
      if (length > MOST_PAYLOAD) return false;
      wanted = ANSWER_BYTES + length;
      if (size < wanted) return true;
      const answer = { id: all.readUInt32BE(0), failed: all[4] === 1, value: all.readUInt32BE(8), payload: all.subarray(ANSWER_BYTES, wanted) };
      drop(all, wanted);
      wanted = ANSWER_BYTES;
      each(answer);
    }
    return true;
  };
}
