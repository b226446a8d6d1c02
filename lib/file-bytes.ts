/** What reading needs of an open file; every `FileHandle` has it. */
export type ReadsAt = { read(buffer: Uint8Array, offset: number, length: number, position: number): Promise<{ readonly bytesRead: number }> };

/** What writing needs of an open file; every `FileHandle` has it. */
export type WritesAt = { write(data: Uint8Array, offset: number, length: number, position: number): Promise<{ readonly bytesWritten: number }> };

/** Bytes of a file from `at`; fewer than `length` only where the file ends. Throws what the file system throws. */
export async function readAt(file: ReadsAt, at: number, length: number): Promise<Buffer> {
  const buffer = Buffer.alloc(length);
  return buffer.subarray(0, await readInto(file, at, buffer));
}

/** Fills `buffer` from `at` and gives how many bytes were there. Throws what the file system throws. */
export async function readInto(file: ReadsAt, at: number, buffer: Uint8Array): Promise<number> {
  let done = 0;
  while (done < buffer.length) {
    const { bytesRead } = await file.read(buffer, done, buffer.length - done, at + done);
    if (bytesRead === 0) break;
    done += bytesRead;
  }
  return done;
}

/** Writes all of `data` at `at`, however many calls that takes. Throws what the file system throws. */
export async function writeAt(file: WritesAt, at: number, data: Uint8Array): Promise<void> {
  for (let done = 0; done < data.length;) {
    const { bytesWritten } = await file.write(data, done, data.length - done, at + done);
    done += bytesWritten;
  }
}
