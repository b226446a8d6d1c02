import { stringify } from 'yaml';
import type { Chart } from './chart.ts';

/** Kinds by group and version, `+` before one without namespaces: `{'cert-manager.io/v1': ['Issuer', '+ClusterIssuer']}`. */
export type Kinds = Readonly<Record<string, readonly string[]>>;

/** A chart in place of one that the lab does not have: a ConfigMap that tells what it stands for, and a CRD for each kind, which takes any fields. */
export function standInChart(name: string, version: string, kinds: Kinds = {}): Chart {
  const note = {
    apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: '{{ .Release.Name }}-stand-in', labels: { 'helm.sh/chart': `${name}-${version.replace('+', '_')}`.slice(0, 63) } },
    data: { chart: name, version, note: 'A stand-in: the lab does not have this chart, so that none of its programs are here.' },
  };
  const crds = Object.entries(kinds).flatMap(([group, names]) => names.map((kind) => definition(group, kind)));
  const files: Record<string, string> = {
    'Chart.yaml': stringify({ apiVersion: 'v2', name, version, description: 'A stand-in of the lab' }), 'values.yaml': '{}\n', 'templates/note.yaml': stringify(note),
    ...(crds.length === 0 ? {} : { 'templates/kinds.yaml': crds.map((crd) => stringify(crd)).join('---\n') }),
  };
  return { files: new Map(Object.entries(files).map(([path, text]) => [path, Buffer.from(text)])) };
}

function definition(groupVersion: string, marked: string): object {
  const [group = '', version = ''] = groupVersion.split('/');
  const kind = marked.replace('+', '');
  const [singular, plural] = [kind.toLowerCase(), pluralOf(kind.toLowerCase())];
  const open = { type: 'object', 'x-kubernetes-preserve-unknown-fields': true };
  return {
    apiVersion: 'apiextensions.k8s.io/v1', kind: 'CustomResourceDefinition',
    // Groups of Kubernetes' own domain need a word on their approval.
    metadata: { name: `${plural}.${group}`, ...(group.endsWith('.k8s.io') ? { annotations: { 'api-approved.kubernetes.io': 'unapproved, a stand-in' } } : {}) },
    spec: {
      group, scope: marked.startsWith('+') ? 'Cluster' : 'Namespaced', names: { kind, listKind: `${kind}List`, singular, plural },
      versions: [{ name: version, served: true, storage: true, subresources: { status: {} }, schema: { openAPIV3Schema: { type: 'object', properties: { spec: open, status: open }, 'x-kubernetes-preserve-unknown-fields': true } } }],
    },
  };
}

/** The plural of a lower-case English name, as controller-gen makes it. */
function pluralOf(name: string): string {
  if (/[^aeiou]y$/.test(name)) return `${name.slice(0, -1)}ies`;
  return /(s|x|ch|sh)$/.test(name) ? `${name}es` : `${name}s`;
}
