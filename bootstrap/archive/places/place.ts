/** An archive in a place: its name, its bytes, and when it was made (ISO 8601, UTC), as its name says. */
export type Stored = { readonly name: string; readonly bytes: number; readonly at: string };

/** Somewhere to keep archives. Nothing half-written is ever listed, nothing is ever overwritten. */
export type Place = {
  readonly kind: 'folder' | 'sftp' | 's3';
  /** What the inventory calls it. */
  readonly name: string;
  /** Where it is, for people; without a user's secret. */
  readonly where: string;
  /** Brings the file there under that name, whole and read back. Throws `E_PLACE_EXISTS` where the name is taken. */
  put(name: string, file: string): Promise<void>;
  /** Brings an archive here: `file` is there whole (0600) or not at all. Throws `E_PLACE_MISSING`. */
  get(name: string, file: string): Promise<void>;
  /** The cluster's archives, in no order. */
  list(): Promise<readonly Stored[]>;
  /** Deletes an archive; one that is not there is no error. */
  remove(name: string): Promise<void>;
  /** Ends the connection, where there is one. */
  close(): Promise<void>;
};

/** When an archive was made (ISO 8601, UTC), by its name; undefined for whatever is not an archive of that cluster. */
export function archiveTime(cluster: string, name: string): string | undefined {
  const found = /^(.+)-(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z\.firstlight$/.exec(name);
  if (found === null || found[1] !== cluster) return undefined;
  const [, , year, month, day, hour, minute, second] = found;
  const at = new Date(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`);
  return Number.isNaN(at.getTime()) ? undefined : at.toISOString();
}
