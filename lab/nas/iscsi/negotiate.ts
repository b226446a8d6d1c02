import { LARGEST_SEGMENT } from '../../../lib/iscsi/pdu.ts';

/** The session's parameters as agreed; LIO's defaults where nothing was said. */
export type Agreed = {
  /** The longest data segment the initiator takes. */
  theirMost: number;
  maxBurst: number;
  firstBurst: number;
  immediateData: boolean;
};

/** What holds before anything is agreed (RFC 7143, 13). */
export function startingValues(): Agreed {
  return { theirMost: 8_192, maxBurst: 262_144, firstBurst: 65_536, immediateData: true };
}

const DECLARED = new Set(['InitiatorName', 'InitiatorAlias', 'TargetName', 'SessionType', 'TargetAddress', 'TargetPortalGroupTag']);

/** Answers one operational key, noting the result; undefined where a key is only a declaration. Unknown keys: NotUnderstood. */
export function answerKey(agreed: Agreed, key: string, value: string): string | undefined {
  const number = Number(value);
  if (DECLARED.has(key) || key.startsWith('CHAP_') || key === 'AuthMethod') return undefined;
  switch (key) {
    case 'HeaderDigest':
    case 'DataDigest':
      return value.split(',').includes('None') ? 'None' : 'Reject';
    case 'MaxRecvDataSegmentLength':
      agreed.theirMost = bounded(number);
      return undefined;
    case 'MaxBurstLength':
      agreed.maxBurst = Math.min(bounded(number), 262_144);
      return String(agreed.maxBurst);
    case 'FirstBurstLength':
      agreed.firstBurst = Math.min(bounded(number), 65_536, agreed.maxBurst);
      return String(agreed.firstBurst);
    case 'InitialR2T':
      return 'Yes'; // LIO's own wish, and one Yes is enough
    case 'ImmediateData':
      agreed.immediateData = value === 'Yes';
      return value === 'Yes' ? 'Yes' : 'No';
    case 'MaxConnections':
    case 'MaxOutstandingR2T':
      return '1';
    case 'ErrorRecoveryLevel':
      return '0';
    case 'DefaultTime2Wait':
      return String(Math.max(2, number || 0));
    case 'DefaultTime2Retain':
      return String(Math.min(20, number || 0));
    case 'DataPDUInOrder':
    case 'DataSequenceInOrder':
      return 'Yes';
    case 'IFMarker':
    case 'OFMarker':
      return 'No';
    default:
      return 'NotUnderstood';
  }
}

/** The one key we declare ourselves. */
export const OUR_DECLARATION = ['MaxRecvDataSegmentLength', String(LARGEST_SEGMENT)] as const;

function bounded(value: number): number {
  return Number.isInteger(value) && value >= 512 ? Math.min(value, 0xff_ffff) : 8_192;
}
