import { createCipheriv, createHash } from 'node:crypto';

/**
 * What stands in an image's EFI and BOOT partitions instead of firmware, kernel and initramfs: a sector-aligned header with
 * this manifest, then `bytes` of payload. A board boots from them only when both are there, whole, and say the same.
 */
export type BootManifest = {
  readonly label: 'EFI' | 'BOOT';
  /** Talos version with its `v`, `v1.11.0`. */
  readonly version: string;
  /** Schematic id. */
  readonly schematic: string;
  /** Extensions as the schematic names them, `siderolabs/iscsi-tools`. */
  readonly extensions: readonly string[];
  readonly bytes: number;
  readonly sha256: string;
};

/** Bytes before the payload. */
export const BOOT_HEADER_BYTES = 4096;

const MAGIC = 'firstlight lab boot files 1\n';
const MIB = 1024 * 1024;

/** Bytes of payload: as much as a Pi's firmware and u-boot, and as a kernel with its initramfs, roughly take. */
const PAYLOAD = { EFI: 8 * MIB, BOOT: 40 * MIB } as const;

/** Header and payload of one boot partition. The same version and schematic make the same bytes, incompressible as a real kernel's. */
export function bootFiles(label: 'EFI' | 'BOOT', version: string, schematic: string, extensions: readonly string[]): Buffer {
  const key = createHash('sha256').update(`${label} ${version} ${schematic}`).digest();
  const stream = createCipheriv('aes-128-ctr', key.subarray(0, 16), key.subarray(16));
  const payload = stream.update(Buffer.alloc(PAYLOAD[label]));
  const manifest: BootManifest = {
    label, version, schematic, extensions, bytes: payload.length, sha256: createHash('sha256').update(payload).digest('hex'),
  };
  const header = Buffer.alloc(BOOT_HEADER_BYTES);
  header.write(`${MAGIC}${JSON.stringify(manifest)}\n`);
  return Buffer.concat([header, payload]);
}

/** The manifest in a boot partition's first `BOOT_HEADER_BYTES` bytes; undefined where there is none. Never throws. */
export function readBootHeader(header: Uint8Array): BootManifest | undefined {
  const text = Buffer.from(header).toString('utf8');
  if (!text.startsWith(MAGIC)) return undefined;
  try {
    return JSON.parse(text.slice(MAGIC.length, text.indexOf('\n', MAGIC.length))) as BootManifest;
  } catch {
    return undefined;
  }
}

/** Whether a payload is the manifest's. */
export function isWhole(manifest: BootManifest, payload: Uint8Array): boolean {
  return payload.length === manifest.bytes && createHash('sha256').update(payload).digest('hex') === manifest.sha256;
}
