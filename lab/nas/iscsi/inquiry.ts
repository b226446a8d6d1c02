import type { LunState } from '../state.ts';

const VENDOR = 'SYNOLOGY';
const PRODUCT = 'Storage'.padEnd(16);

/** Standard INQUIRY: a disk of the Synology, or LIO's answer for a LUN number with nothing behind it. */
export function standardInquiry(there: boolean): Buffer {
  const data = Buffer.alloc(96);
  data[0] = there ? 0 : 0x3f;
  data[2] = 5; // SPC-3
  data[3] = 2;
  data[4] = data.length - 5;
  data[7] = 2; // command queueing
  data.write(VENDOR, 8, 'latin1');
  data.write(PRODUCT, 16, 'latin1');
  data.write('4.0 ', 32, 'latin1');
  [0x0300, 0x04c0, 0x0960].forEach((standard, at) => data.writeUInt16BE(standard, 58 + at * 2)); // SPC-3, SBC-3, iSCSI
  return data;
}

/** A page of vital product data: 0x00 list, 0x80 serial (the LUN's uuid), 0x83 identification, 0xb0 limits, 0xb1 characteristics; else undefined. */
export function vitalPage(lun: LunState, page: number): Buffer | undefined {
  if (page === 0x00) return framed(page, Buffer.from([0x00, 0x80, 0x83, 0xb0, 0xb1]));
  if (page === 0x80) return framed(page, Buffer.from(lun.uuid, 'latin1'));
  if (page === 0x83) return framed(page, Buffer.concat([naa(lun), vendorId(lun)]));
  if (page === 0xb1) return framed(page, Buffer.alloc(60)); // rotation speed not told
  return page === 0xb0 ? framed(page, limits()) : undefined;
}

function framed(page: number, body: Buffer): Buffer {
  const head = Buffer.from([0, page, 0, 0]);
  head.writeUInt16BE(body.length, 2);
  return Buffer.concat([head, body]);
}

/** NAA 6 with LIO's company id 00-14-05 and the uuid's digits. */
function naa(lun: LunState): Buffer {
  const name = Buffer.from(`6001405${lun.uuid.replaceAll('-', '').slice(0, 25)}`, 'hex');
  return Buffer.concat([Buffer.from([0x01, 0x03, 0, name.length]), name]);
}

function vendorId(lun: LunState): Buffer {
  const name = Buffer.from(`${VENDOR}${PRODUCT.trim()}:${lun.uuid}`, 'latin1');
  return Buffer.concat([Buffer.from([0x02, 0x01, 0, name.length]), name]);
}

function limits(): Buffer {
  const body = Buffer.alloc(60);
  body.writeUInt32BE(32_768, 4); // longest transfer in blocks
  body.writeUInt32BE(128, 8); // best transfer
  return body;
}
