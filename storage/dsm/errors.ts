import { problem, type FirstlightError } from '../../lib/errors.ts';

/** What one DSM error number means: our stable code, what it says, and what to do. */
export type DsmMeaning = { readonly code: string; readonly what: string; readonly hint: string };

const AGAIN = 'Wait a minute and run again.';
const REPORT = 'firstlight asked in a way this DSM does not know: note the DSM version and report it.';
const LOOK = 'Open SAN Manager in DSM, compare with the cluster file, and run again.';

/** Numbers any DSM API answers (Synology's DSM Login Web API Guide; session numbers as synology-csi treats them). */
const COMMON: Readonly<Record<number, DsmMeaning>> = {
  100: { code: 'E_DSM_UNKNOWN', what: 'an unknown error', hint: 'Look into DSM’s Log Center for the same minute, then run again.' },
  101: { code: 'E_DSM_REQUEST', what: 'a parameter of the request is missing', hint: REPORT },
  102: { code: 'E_DSM_NO_API', what: 'it does not have this API', hint: 'Install SAN Manager on the Synology (DSM 7), or iSCSI Manager (DSM 6).' },
  103: { code: 'E_DSM_NO_METHOD', what: 'it does not have this method', hint: REPORT },
  104: { code: 'E_DSM_VERSION', what: 'it does not have this version of the API', hint: REPORT },
  105: { code: 'E_DSM_PERMISSION', what: 'the account may not do this', hint: 'SAN APIs need an account in DSM’s group administrators: add the NAS user to it.' },
  106: { code: 'E_DSM_SESSION', what: 'the session timed out, again', hint: 'Run again; if it stays, look at the log-out time in Control Panel → Security.' },
  107: { code: 'E_DSM_DUPLICATE_LOGIN', what: 'another login of the same account ended our session', hint: 'Give firstlight a DSM account of its own, or log the other one out.' },
  109: { code: 'E_DSM_BUSY', what: 'the system is busy', hint: AGAIN },
  114: { code: 'E_DSM_REQUEST', what: 'a parameter of the API is missing', hint: REPORT },
  119: { code: 'E_DSM_SESSION', what: 'it does not know our session, again', hint: 'Run again; if it stays, take away any proxy between here and the NAS.' },
  150: { code: 'E_DSM_ADDRESS', what: 'the request came from another address than the login', hint: 'Reach the NAS by one way only: no proxy, no second network card, no VPN that comes and goes.' },
};

/** Numbers of SYNO.API.Auth (same guide). Never answered with another try: DSM blocks the address after a few. */
const AUTH: Readonly<Record<number, DsmMeaning>> = {
  400: { code: 'E_DSM_LOGIN', what: 'it knows no such account or the password is wrong', hint: 'Mend the NAS user in the cluster file or the NAS password in the credentials. It was tried once only: DSM blocks an address after a few.' },
  401: { code: 'E_DSM_ACCOUNT', what: 'the account is disabled', hint: 'Enable the account in DSM: Control Panel → User & Group.' },
  402: { code: 'E_DSM_PERMISSION', what: 'the account may not log in here', hint: 'Allow the account the application DSM: Control Panel → User & Group → Applications.' },
  403: { code: 'E_DSM_SECOND_FACTOR', what: 'the account asks for a second factor', hint: 'Use a DSM account without 2-factor authentication for firstlight and the CSI driver.' },
  404: { code: 'E_DSM_SECOND_FACTOR', what: 'the second factor was refused', hint: 'Use a DSM account without 2-factor authentication for firstlight and the CSI driver.' },
  406: { code: 'E_DSM_SECOND_FACTOR', what: 'DSM makes a second factor compulsory for this account', hint: 'Exempt the account: Control Panel → Security → Account → 2-factor authentication.' },
  407: { code: 'E_DSM_BLOCKED', what: 'this machine’s address is blocked after failed logins', hint: 'Unblock it in DSM: Control Panel → Security → Protection → Allow/Block List. Then mend the password before running again.' },
  408: { code: 'E_DSM_EXPIRED', what: 'the password is expired and can’t be changed', hint: 'Set a new password for the account in DSM and in the credentials.' },
  409: { code: 'E_DSM_EXPIRED', what: 'the password is expired', hint: 'Set a new password for the account in DSM and in the credentials.' },
  410: { code: 'E_DSM_EXPIRED', what: 'the password must be changed', hint: 'Log in to DSM once with this account, change the password, put it into the credentials.' },
  411: { code: 'E_DSM_LOCKED', what: 'the account is locked', hint: 'Unlock the account in DSM: Control Panel → Security → Account.' },
};

/** Numbers of SYNO.Core.ISCSI.* (SynologyOpenSource/synology-csi:pkg/dsm/webapi/iscsi.go, N4S4/synology-api:synology_api/error_codes.py). */
const SAN: Readonly<Record<number, DsmMeaning>> = {
  18990002: { code: 'E_DSM_NO_SPACE', what: 'the volume has no space', hint: 'Free space on the volume, or name another volume or a smaller size in the cluster file.' },
  18990004: { code: 'E_DSM_REQUEST', what: 'a parameter is bad', hint: REPORT },
  18990318: { code: 'E_DSM_LUN_TYPE', what: 'this kind of LUN does not fit the volume’s file system', hint: 'Name a Btrfs volume in the cluster file.' },
  18990327: { code: 'E_DSM_VOLUME', what: 'it can’t tell the volume’s space', hint: 'Look at the volume in Storage Manager.' },
  18990500: { code: 'E_DSM_LUN_TYPE', what: 'it does not know this kind of LUN', hint: REPORT },
  18990501: { code: 'E_DSM_VOLUME', what: 'the LUN’s location is bad', hint: 'Name a volume that exists (for example /volume1) in the cluster file.' },
  18990502: { code: 'E_DSM_LUN_SIZE', what: 'the LUN’s size is bad', hint: 'Give at least 1 GiB and whole MiB in the cluster file.' },
  18990503: { code: 'E_DSM_LUN_NAME', what: 'the LUN’s name is bad', hint: 'Use letters, digits and hyphens for the LUN’s name.' },
  18990505: { code: 'E_DSM_NO_LUN', what: 'the LUN’s uuid is bad', hint: LOOK },
  18990531: { code: 'E_DSM_NO_LUN', what: 'there is no such LUN', hint: LOOK },
  18990538: { code: 'E_DSM_LUN_EXISTS', what: 'a LUN of this name is there already', hint: 'Somebody made it at this moment, or it is hidden from the list: look in SAN Manager, then run again to adopt it.' },
  18990541: { code: 'E_DSM_LUN_LIMIT', what: 'it can’t hold more LUNs', hint: 'Delete a LUN that nobody needs in SAN Manager.' },
  18990542: { code: 'E_DSM_TARGET_LIMIT', what: 'it can’t hold more targets', hint: 'Delete a target that nobody needs in SAN Manager.' },
  18990543: { code: 'E_DSM_SNAPSHOT_LIMIT', what: 'it can’t hold more snapshots', hint: 'Delete old snapshots of the LUN in SAN Manager.' },
  18990619: { code: 'E_DSM_REQUEST', what: 'it does not know these kinds of LUN', hint: REPORT },
  18990622: { code: 'E_DSM_REQUEST', what: 'it does not know these attributes of a LUN', hint: REPORT },
  18990700: { code: 'E_DSM_TARGET_NAME', what: 'the target’s name is bad', hint: 'Use letters, digits and hyphens for the LUN’s name: the target takes it.' },
  18990702: { code: 'E_DSM_CHAP', what: 'the kind of authentication is bad', hint: REPORT },
  18990708: { code: 'E_DSM_CHAP', what: 'the CHAP user or secret is not acceptable', hint: 'A CHAP user has 1 to 223 plain characters, a CHAP secret 12 to 16: mend it in the credentials.' },
  18990710: { code: 'E_DSM_NO_TARGET', what: 'there is no such target', hint: LOOK },
  18990722: { code: 'E_DSM_NO_TARGET', what: 'it can’t load the target', hint: LOOK },
  18990724: { code: 'E_DSM_NO_TARGET', what: 'it can’t load the target’s settings', hint: LOOK },
  18990744: { code: 'E_DSM_TARGET_EXISTS', what: 'a target of this name is there already', hint: 'Rename that target in SAN Manager, or give the LUN another name in the cluster file.' },
  18990745: { code: 'E_DSM_IQN_EXISTS', what: 'a target of this IQN is there already', hint: 'Give the LUN another IQN in the cluster file, or free it in SAN Manager.' },
};

/** Every documented number, for tests and documentation: `auth` numbers hold for SYNO.API.Auth only. */
export const dsmMeanings = { common: COMMON, auth: AUTH, san: SAN } as const;

/** The error for a number that DSM answered to `api`/`method`. Numbers nobody documented become `E_DSM_UNKNOWN` with the number. */
export function dsmProblem(number: number, api: string, method: string, address: string): FirstlightError {
  const auth = api === 'SYNO.API.Auth' ? AUTH[number] : undefined;
  const meaning = auth ?? COMMON[number] ?? SAN[number];
  const asked = `the NAS at ${address} (${api} ${method})`;
  if (meaning) return problem(meaning.code, `${asked} says: ${meaning.what} (${number})`, meaning.hint);
  return problem('E_DSM_UNKNOWN', `${asked} answered error ${number}, which is not documented`, 'Look into DSM’s Log Center for the same minute, then run again.');
}

/** True for the numbers after which a new login may help: session lost, token missing (synology-csi:pkg/dsm/webapi/dsmwebapi.go). */
export function isSessionNumber(number: number): boolean {
  return number === 105 || number === 106 || number === 119;
}
