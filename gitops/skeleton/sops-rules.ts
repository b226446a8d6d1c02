import { basename } from 'node:path';
import type { Cluster } from '../../nodes/cluster.ts';

/**
 * The text of `.sops.yaml` for these clusters, for who uses sops by hand: first a rule for each cluster's own files, then one for
 * what all clusters read. firstlight itself goes by the inventories.
 */
export function sopsRules(clusters: readonly Pick<Cluster, 'name' | 'folder' | 'secrets'>[]): string {
  const all = [...new Set(clusters.flatMap((cluster) => cluster.secrets.recipients.map((one) => one.key)))];
  const rules = clusters.flatMap((cluster) => {
    const keys = cluster.secrets.recipients.map((one) => one.key);
    const own = [...new Set([cluster.name, basename(cluster.folder)])].join('|');
    return [
      rule(`${cluster.name}'s secrets bundle and credentials: every value.`, `machines/(${own})/.*\\.sops\\.ya?ml$`, keys, false),
      rule(`What only ${cluster.name}'s Flux reads: only what is inside, so that name and namespace stay readable.`, `(^|/)(${own})/.*\\.sops\\.ya?ml$`, keys, true),
    ];
  });
  return `# Who can open what is encrypted here: the recipients of machines/<cluster>/cluster.yaml, the same keys in the same order.
# firstlight itself goes by the inventory; this file is for \`sops edit\` and \`sops encrypt\` by hand. The first rule that fits wins.
creation_rules:
${[...rules, rule('What every cluster reads.', '.*\\.sops\\.ya?ml$', all, true)].join('')}`;
}

function rule(comment: string, path: string, keys: readonly string[], onlyValues: boolean): string {
  return `  # ${comment}
  - path_regex: ${path}
${onlyValues ? '    encrypted_regex: ^(data|stringData)$\n' : ''}    age: >-
${keys.map((key) => `      ${key}`).join(',\n')}
`;
}
