/** Bytes of a Kubernetes quantity (`128Mi`, `1.5Gi`, `100M`, `1e9`), or undefined where it is none (apimachinery: pkg/api/resource/quantity.go). */
export function bytesOf(quantity: unknown): number | undefined {
  const match = /^\+?(\d+\.?\d*|\.\d+)(m|[kMGTPE]|[KMGTPE]i|[eE][+-]?\d+)?$/.exec(String(quantity));
  if (!match) return undefined;
  const [, digits = '', suffix = ''] = match;
  return Math.ceil(Number(digits) * (/^[eE][+-]?\d/.test(suffix) ? 10 ** Number(suffix.slice(1)) : FACTORS[suffix] ?? 1));
}

const FACTORS: Readonly<Record<string, number>> = {
  m: 1e-3, k: 1e3, M: 1e6, G: 1e9, T: 1e12, P: 1e15, E: 1e18,
  Ki: 2 ** 10, Mi: 2 ** 20, Gi: 2 ** 30, Ti: 2 ** 40, Pi: 2 ** 50, Ei: 2 ** 60,
};

/** Bytes as a person reads them: `512 MiB`, `1.4 GiB`. */
export function readable(bytes: number): string {
  return bytes < 2 ** 30 ? `${Math.round(bytes / 2 ** 20)} MiB` : `${Number((bytes / 2 ** 30).toFixed(1))} GiB`;
}
