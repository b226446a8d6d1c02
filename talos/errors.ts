import type { Look } from '../lib/conditions.ts';
import { FirstlightError, problem } from '../lib/errors.ts';

/** Where a talosctl call went; `what` names it in messages ("get links"). */
export type Called = { readonly what: string; readonly address: string; readonly mode: 'maintenance' | 'secure' };

type Rule = { readonly code: string; readonly when: RegExp; readonly mode?: Called['mode']; readonly says: string; readonly hint: string };

/**
 * What talosctl writes on standard error and what it means, most specific first. The texts come from grpc-go, crypto/tls and
 * siderolabs/talos:internal/app/machined/internal/server/v1alpha1; they are held to test/recorded/talos-1.11.0.
 */
const RULES: readonly Rule[] = [
  { code: 'E_TALOS_FINGERPRINT', when: /doesn't match the provided fingerprints/, says: 'shows another certificate than when it was looked at',
    hint: 'The board restarted or another one took its address in between: run again, so that it is identified anew.' },
  { code: 'E_TALOS_OTHER_CLUSTER', when: /x509: certificate signed by unknown authority/, says: 'has a certificate this cluster did not issue',
    hint: 'It waits for its first config, or it belongs to another cluster. See which machine has this address before anything is applied to it.' },
  { code: 'E_TALOS_CERTIFICATE', when: /x509: (cannot validate certificate for|certificate is (not )?valid for)/, says: 'has a certificate that is not for this address',
    hint: 'Another machine took this address, or the machine’s address changed and its certificate has not been made anew yet.' },
  { code: 'E_TALOS_CLOCK', when: /x509: certificate has expired or is not yet valid/, says: 'has a certificate outside its time',
    hint: 'Its clock or this computer’s is wrong (a Raspberry Pi has none of its own): see that it reaches an NTP server.' },
  { code: 'E_TALOS_MAINTENANCE_CLOSED', when: /tls: certificate required/, says: 'is no longer in maintenance mode',
    hint: 'It has a config by now: speak to it with the cluster’s talosconfig.' },
  { code: 'E_TALOS_MAINTENANCE_CLOSED', mode: 'maintenance', when: /broken pipe|connection reset by peer/, says: 'closed the maintenance connection',
    hint: 'It has a config by now or is restarting: speak to it with the cluster’s talosconfig.' },
  { code: 'E_TALOS_CLIENT_REFUSED', when: /tls: (unknown certificate authority|expired certificate|bad certificate)/, says: 'refuses our client certificate',
    hint: 'The talosconfig is of another cluster or older than a year: firstlight makes a new one from the secrets bundle.' },
  { code: 'E_TALOS_CLIENT_REFUSED', mode: 'secure', when: /broken pipe|connection reset by peer/, says: 'closed the connection',
    hint: 'It is restarting, or it refuses our client certificate: if that lasts, see whose machine has this address.' },
  { code: 'E_TALOS_REFUSED', when: /Error while dialing: dial tcp \S+ connect: connection refused/, says: 'refuses connections on port 50000',
    hint: 'It is starting or restarting; if that lasts, see whether its card holds Talos.' },
  { code: 'E_TALOS_UNREACHABLE', when: /no route to host|network is unreachable|i\/o timeout|host is down|no such host/, says: 'can not be reached',
    hint: 'See that it has power, its link is up and its address is the one in cluster.yaml.' },
  { code: 'E_TALOS_WORKER', when: /only be performed on a control plane node|only available on control plane nodes/, says: 'is a worker',
    hint: 'Ask a control plane; see the roles in cluster.yaml.' },
  { code: 'E_TALOS_NOT_READY', when: /bootstrap is not available yet|time is not in sync yet/, says: 'is not ready to bootstrap etcd',
    hint: 'Wait; if that lasts, see that it reaches one of the NTP servers.' },
  { code: 'E_TALOS_ALREADY', when: /code = AlreadyExists/, says: 'already holds etcd data',
    hint: 'It was bootstrapped before: see its etcd members. An etcd that failed to start needs the node reset first.' },
  { code: 'E_TALOS_UNIMPLEMENTED', when: /code = Unimplemented|not supported in (maintenance|container) mode/, says: 'does not offer this in its present mode',
    hint: 'Most calls need a machine with a config; in maintenance mode only reading and apply-config work.' },
  { code: 'E_TALOS_INVALID_CONFIG', when: /failed to parse config|code = InvalidArgument|no configuration data read|configuration validation failed/, says: 'refuses the config',
    hint: 'A patch in the cluster’s patches/ folder made it invalid: mend what is named.' },
  { code: 'E_TALOS_FORWARD', when: /no request forwarding/, says: 'is a worker and does not forward to other nodes', hint: 'Ask the node itself, or through a control plane.' },
  { code: 'E_TALOS_DENIED', when: /code = PermissionDenied/, says: 'does not permit this', hint: 'In maintenance mode sensitive resources are hidden; elsewhere the talosconfig’s role is too low.' },
  { code: 'E_TALOS_NO_LEADER', when: /etcdserver: no leader/, says: 'has an etcd without a leader: the quorum is lost',
    hint: 'Bring back the other control planes; where they are gone for good, restore from a snapshot.' },
  { code: 'E_TALOS_ETCD_REFUSED', when: /etcdserver: (re-configuration failed due to not enough started members|unhealthy cluster)/, says: 'has an etcd that refuses to change its members: too few of them are healthy',
    hint: 'See `talosctl etcd status` on each control plane, and bring back those that are down first.' },
  { code: 'E_TALOS_NOT_FOUND', when: /code = NotFound|no such file or directory|is not registered|was not registered|not defined|code = Unknown desc = container "[^"]*" not found/,
    says: 'has no such thing', hint: 'See the name; it may not exist in this Talos version or this stage.' },
  { code: 'E_TALOS_HANG', when: /code = (DeadlineExceeded|Canceled)|context deadline exceeded/, says: 'did not answer in time',
    hint: 'Calls to etcd hang while it is not running; see its service first. Otherwise see the machine’s console.' },
];

/** The codes of states that pass by themselves while a board boots, takes a config or restarts. */
const PASSING: ReadonlySet<string> = new Set(['E_TALOS_REFUSED', 'E_TALOS_UNREACHABLE', 'E_TALOS_MAINTENANCE_CLOSED', 'E_TALOS_CLIENT_REFUSED', 'E_TALOS_HANG', 'E_TALOS_NOT_READY', 'E_TALOS_CLOCK']);

/** True for an error after which waiting and asking again makes sense (the board is booting, restarting or taking its config). */
export function mayPass(error: unknown): boolean {
  return error instanceof FirstlightError && PASSING.has(error.code);
}

/** A look for `waitFor` that takes a passing state for “not yet”, with the error's message as what was seen; other errors are thrown. */
export async function lookThrough<T>(look: () => Promise<Look<T>>): Promise<Look<T>> {
  try {
    return await look();
  } catch (error) {
    if (mayPass(error)) return { met: false, seen: (error as Error).message };
    throw error;
  }
}

/** The coded error for what talosctl wrote on standard error; `E_TALOS` for a text that nobody has recorded. `stderr` must be masked already. */
export function talosProblem(stderr: string, called: Called): FirstlightError {
  const rule = RULES.find((each) => (each.mode ?? called.mode) === called.mode && each.when.test(stderr));
  const detail = essence(stderr);
  if (!rule) return problem('E_TALOS', `talosctl ${called.what} at ${called.address}: ${detail}`, 'See talosctl’s own words above.');
  return problem(rule.code, `${called.address} ${rule.says} (talosctl ${called.what}: ${detail})`, rule.hint);
}

/** The error for a call that was given up at its deadline. */
export function talosHang(called: Called, seconds: number): FirstlightError {
  return problem('E_TALOS_HANG', `${called.address} did not answer talosctl ${called.what} within ${seconds} s`,
    'Calls to etcd hang while it is not running; see its service first. Otherwise see the machine’s console.');
}

function essence(stderr: string): string {
  const text = stderr.split(/\n\s*Usage:/)[0] ?? '';
  const desc = /rpc error: code = (\w+) desc = ([\s\S]*)/.exec(text);
  return (desc ? `${desc[1]}: ${desc[2]}` : text).trim().replace(/\s*\n\s*/g, ' ').slice(0, 400) || 'no words';
}
