/** Recordings whose values are the hardware's or the container's own: compared in their shape (columns, fields, types, owners). */
export const SHAPE_ONLY: readonly (readonly [RegExp, string])[] = [
  [/^get (links|addresses|disks|discoveredvolumes|volumestatus|nodeaddress)/, 'interfaces, disks and addresses are another machine\'s'],
];

/** Recorded commands that the virtual Pi does not imitate, by file: names and why. Everything else is compared. */
export const NOT_IMITATED: Readonly<Record<string, readonly (readonly [RegExp, string])[]>> = {};
