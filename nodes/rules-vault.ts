import { present, type Draft, type Fault } from './fault.ts';

/** What of the vault reaches the cluster goes through the GitOps repository. */
export function* vaultNeedsGitops(draft: Draft): Iterable<Fault> {
  if (draft.vault === undefined || draft.gitops !== undefined) return;
  yield { code: 'E_INVENTORY_VAULT_WITHOUT_GITOPS', path: ['vault'], at: 'key', message: 'vault: there is no gitops section, so nothing of it would reach the cluster', hint: 'Add the section gitops, or take vault out.' };
}

/** A name in the vault (which takes small and big letters as one) and a key of a Secret belong to one entry alone. */
export function* vaultSecretsUnique(draft: Draft): Iterable<Fault> {
  const names = new Map<string, number>();
  const keys = new Map<string, number>();
  for (const [index, each] of present(draft.vault?.secrets)) {
    const path = ['vault', 'secrets', index];
    const name = each.name?.toLowerCase();
    const first = name === undefined ? undefined : names.get(name);
    if (first !== undefined) yield { code: 'E_INVENTORY_VAULT_NAME_TWICE', path: [...path, 'name'], message: `vault.secrets[${index}].name: vault.secrets[${first}] has the name ${each.name} already`, hint: 'Give each a name of its own; the vault takes small and big letters as one.' };
    else if (name !== undefined) names.set(name, index);
    if (each.path === undefined || each.namespace === undefined || each.key === undefined) continue;
    const target = `${each.namespace}/${each.secret ?? each.path.split('/').at(-1)}.${each.key}`;
    const other = keys.get(target);
    if (other !== undefined) yield { code: 'E_INVENTORY_SECRET_KEY_TWICE', path: [...path, 'key'], message: `vault.secrets[${index}].key: vault.secrets[${other}] fills ${target} already`, hint: 'Two stores must not fill one key: take one of the entries out.' };
    else keys.set(target, index);
  }
}

/** One manifest is of one Secret. */
export function* manifestsAgree(draft: Draft): Iterable<Fault> {
  const seen = new Map<string, { readonly index: number; readonly target: string }>();
  for (const [index, each] of present(draft.vault?.secrets)) {
    if (each.path === undefined || each.namespace === undefined) continue;
    const target = `${each.namespace}/${each.secret ?? each.path.split('/').at(-1)}`;
    const first = seen.get(each.path);
    if (first === undefined) seen.set(each.path, { index, target });
    else if (first.target !== target) yield { code: 'E_INVENTORY_SECRET_PATH', path: ['vault', 'secrets', index, 'path'], message: `vault.secrets[${index}].path: it is that of vault.secrets[${first.index}], which makes the Secret ${first.target}, not ${target}`, hint: 'One file makes one Secret: give this one a path of its own.' };
  }
}
