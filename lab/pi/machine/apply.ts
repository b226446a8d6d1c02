import { ConfigUnreadable } from '../config/parse.ts';
import { plainConfig, unifiedDiff } from '../config/diff.ts';
import { readMachineConfig, type MachineConfig } from '../config/machine-config.ts';
import { multierror, validateConfig } from '../config/validate.ts';
import type { NodeHandler } from '../api/handler.ts';
import type { Node } from '../node.ts';
import { pack, unpack } from '../wire/messages.ts';
import { status } from '../wire/status.ts';

const MODES = ['REBOOT', 'AUTO', 'NO_REBOOT', 'STAGED', 'TRY'] as const;
type Mode = (typeof MODES)[number];

type Request = { readonly text: string; readonly mode: Mode; readonly dryRun: boolean; readonly tryMs: number };

function read(bytes: Uint8Array): Request {
  const message = unpack('ApplyConfigurationRequest', bytes);
  const timeout = (message['try_mode_timeout'] ?? {}) as { seconds?: bigint; nanos?: number };
  return {
    text: Buffer.from((message['data'] ?? new Uint8Array()) as Uint8Array).toString('utf8'), mode: MODES[(message['mode'] ?? 0) as number] ?? 'REBOOT',
    dryRun: message['dry_run'] === true, tryMs: Number(timeout.seconds ?? 60n) * 1000 + (timeout.nanos ?? 0) / 1e6,
  };
}

function reply(mode: Mode | undefined, details: string): Uint8Array {
  return pack('ApplyConfigurationResponse', { messages: [{ mode: mode === undefined ? 0 : MODES.indexOf(mode), mode_details: details }] });
}

/** apply-config on a machine without a config (siderolabs/talos:internal/app/maintenance/server.go). The answer goes out before the port closes. */
export const applyInMaintenance: NodeHandler = async function* (node, _call, bytes) {
  const request = read(bytes);
  if (request.mode === 'STAGED' || request.mode === 'NO_REBOOT') {
    throw status('Unimplemented', `apply configuration --mode='${request.mode.toLowerCase().replace('_', '-')}' is not supported in maintenance mode`);
  }
  let config: MachineConfig;
  try {
    config = readMachineConfig(request.text, node.card.version, node.mac);
  } catch (error) {
    throw status('Unknown', `failed to parse config: ${(error as Error).message}`);
  }
  const errors = validateConfig(config, true);
  if (errors.length > 0) throw status('InvalidArgument', `configuration validation failed: ${multierror(errors)}`);
  if (request.dryRun) {
    yield reply(undefined, 'Dry run summary:\nNode is running in maintenance mode and does not have a config yet.');
    return;
  }
  yield pack('ApplyConfigurationResponse', { messages: [{}] });
  await node.apply(request.text, 'first');
};

const REBOOT_PATHS: readonly (readonly string[])[] = [
  ['cluster', 'clusterName'], ['cluster', 'id'], ['cluster', 'secret'], ['cluster', 'token'], ['cluster', 'ca'], ['cluster', 'etcd'], ['cluster', 'network'], ['machine', 'type'], ['machine', 'token'],
  ['machine', 'ca'], ['machine', 'disks'], ['machine', 'systemDiskEncryption'],
];

function valueAt(config: MachineConfig, path: readonly string[]): string {
  let value: unknown = config.main;
  for (const key of path) value = typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[key] : undefined;
  return JSON.stringify(value) ?? '';
}

// Whether a running machine can take a config over at once; a machine type or secret that changes needs a reboot.
function needsReboot(node: Node, next: MachineConfig): boolean {
  return node.config !== undefined && REBOOT_PATHS.some((path) => valueAt(node.config!, path) !== valueAt(next, path));
}

function summary(node: Node, request: Request): string {
  const diff = unifiedDiff(plainConfig(node.config?.text ?? ''), plainConfig(request.text));
  return `Config diff:\n\n${diff === '' ? 'No changes.' : diff}`;
}

function durationText(ms: number): string {
  const total = Math.round(ms / 1000);
  const [h, m, s] = [Math.floor(total / 3600), Math.floor(total / 60) % 60, total % 60];
  return `${h > 0 ? `${h}h` : ''}${h > 0 || m > 0 ? `${m}m` : ''}${s}s`;
}

/** apply-config on a running machine (siderolabs/talos:internal/app/machined/internal/server/v1alpha1). */
export const applyRunning: NodeHandler = async function* (node, _call, bytes) {
  const request = read(bytes);
  if (request.mode !== 'TRY') node.revertAfter(undefined);
  let next: MachineConfig;
  try {
    next = readMachineConfig(request.text, node.card.version, node.mac);
  } catch (error) {
    if (!(error instanceof ConfigUnreadable)) throw error;
    throw status('InvalidArgument', error.message);
  }
  if (!next.documents.main) {
    throw status('InvalidArgument', 'the applied machine configuration doesn\'t contain v1alpha1 config, did you mean to patch the machine config instead?');
  }
  const errors = validateConfig(next, false);
  if (errors.length > 0) throw status('InvalidArgument', multierror(errors));
  const reboot = needsReboot(node, next);
  if (reboot && (request.mode === 'TRY' || request.mode === 'NO_REBOOT')) throw status('InvalidArgument', "this config change can't be applied in immediate mode");
  const mode: Mode = request.mode === 'AUTO' ? (reboot ? 'REBOOT' : 'NO_REBOOT') : request.mode;
  let details = mode === 'STAGED' ? 'Staged configuration to be applied after the next reboot' : `Applied configuration ${mode === 'REBOOT' ? 'with' : 'without'} a reboot`;
  if (request.dryRun) {
    yield reply(mode, `Dry run summary:\n${details} (skipped in dry-run).\n${summary(node, request)}`);
    return;
  }
  if (mode === 'TRY') {
    details += `\nThe config is applied in 'try' mode and will be automatically reverted back in ${durationText(request.tryMs)}`;
    node.revertAfter(request.tryMs);
    await node.apply(request.text, 'try');
  } else if (mode !== 'REBOOT') await node.apply(request.text, mode === 'STAGED' ? 'staged' : 'now');
  yield reply(mode, details);
  if (mode === 'REBOOT') await node.apply(request.text, 'reboot');
};
