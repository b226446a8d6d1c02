import type { MachineConfig } from './machine-config.ts';

/** The text of hashicorp/go-multierror, in which Talos tells what is wrong with a config. */
export function multierror(errors: readonly string[]): string {
  return `${errors.length} error${errors.length === 1 ? '' : 's'} occurred:\n${errors.map((error) => `\t* ${error}`).join('\n')}\n\n`;
}

function has(config: MachineConfig, ...path: readonly string[]): boolean {
  let value: unknown = config.main;
  for (const key of path) value = typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[key] : undefined;
  return value !== undefined && value !== null && value !== '';
}

/** What Talos refuses in a readable config, in its words; `installing` is asked of a machine in maintenance mode (siderolabs/talos:pkg/machinery/config/types/v1alpha1/v1alpha1_validation.go). */
export function validateConfig(config: MachineConfig, installing: boolean): readonly string[] {
  const errors: string[] = [];
  if (!has(config, 'machine')) return ['machine instructions are required'];
  const worker = config.type === 'worker';
  if (!has(config, 'cluster')) errors.push('cluster instructions are required');
  else if (config.endpoint === '') errors.push('cluster controlplane endpoint is required');
  else if (worker && has(config, 'cluster', 'etcd')) errors.push('etcd config is only allowed on control plane machines');
  if (worker && has(config, 'cluster', 'ca', 'key')) errors.push('cluster CA key is not allowed on non-controlplane nodes (.cluster.ca)');
  if (installing && !has(config, 'machine', 'install')) errors.push('install instructions are required in "metal" mode');
  else if (installing && !has(config, 'machine', 'install', 'disk') && !has(config, 'machine', 'install', 'diskSelector')) errors.push('either install disk or diskSelector should be defined');
  const ca = has(config, 'machine', 'ca');
  if (!ca && !has(config, 'machine', 'acceptedCAs')) errors.push('issuing CA or some accepted CAs are required (.machine.ca, machine.acceptedCAs)');
  if (config.role === 'control plane') {
    if (!ca) errors.push('issuing CA is required (.machine.ca)');
    else if (config.osCa.key === '') errors.push('issuing CA key is required for controlplane nodes (.machine.ca.key)');
  } else if (worker) {
    if (ca && config.osCa.key !== '') errors.push('issuing Talos API CA key is not allowed on non-controlplane nodes (.machine.ca)');
    if (has(config, 'cluster', 'ca', 'key')) errors.push('issuing Kubernetes API CA key is not allowed on non-controlplane nodes (.cluster.ca)');
  } else errors.push(`unknown machine type "${config.type}"`);
  if (has(config, 'persist') && config.main['persist'] === false) errors.push('.persist should be enabled');
  return errors;
}
