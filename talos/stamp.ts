/** The META key that holds the stamp: UserReserved1 of siderolabs/talos:pkg/machinery/meta/constants.go. */
export const STAMP_KEY = 0x0c;

/** The stamp's id among Talos's MetaKeys resources (`talosctl get meta 0x0c`). */
export const STAMP_ID = '0x0c';

/** What a card says of itself: written at flash time, read back from the board that booted it. `nonce` is lower-case hex. */
export type Stamp = { readonly cluster: string; readonly node: string; readonly nonce: string };

/** The stamp as the value of its META key: one line of JSON, members always in this order. */
export function encodeStamp(stamp: Stamp): string {
  return JSON.stringify({ firstlight: 1, cluster: stamp.cluster, node: stamp.node, nonce: stamp.nonce });
}

/** The stamp in a META value, or undefined where the value is missing or is no stamp of this format. Never throws. */
export function parseStamp(value: string | undefined): Stamp | undefined {
  if (value === undefined) return undefined;
  const read = readJson(value);
  if (typeof read !== 'object' || read === null) return undefined;
  const { firstlight, cluster, node, nonce } = read as Record<string, unknown>;
  if (firstlight !== 1 || typeof cluster !== 'string' || typeof node !== 'string' || typeof nonce !== 'string') return undefined;
  if (cluster === '' || node === '' || !/^[0-9a-f]+$/.test(nonce)) return undefined;
  return { cluster, node, nonce };
}

function readJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
