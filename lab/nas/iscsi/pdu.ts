import { createReader, opcodeOf } from '../../../lib/iscsi/pdu.ts';

/** What a target reads of one unit: the fields every opcode has, the header for the rest, and the data. */
export type Unit = {
  readonly opcode: number;
  readonly immediate: boolean;
  readonly flags: number;
  /** The initiator's task tag. */
  readonly tag: number;
  readonly header: Buffer;
  readonly data: Buffer;
};

/** The units of a stream until it ends. Throws for a segment longer than we declared: such a peer is hung up on. */
export async function* units(stream: AsyncIterable<Buffer>): AsyncGenerator<Unit> {
  const reader = createReader();
  for await (const part of stream) {
    reader.push(part);
    for (let pdu = reader.take(); pdu; pdu = reader.take()) {
      const { header, data } = pdu;
      yield { opcode: opcodeOf(pdu), immediate: (header.readUInt8(0) & 0x40) !== 0, flags: header.readUInt8(1), tag: header.readUInt32BE(16), header, data };
    }
  }
}
