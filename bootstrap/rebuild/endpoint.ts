import { readFile } from 'node:fs/promises';
import { request } from 'node:https';
import { parse } from 'yaml';
import type { Host } from '../../lib/host.ts';
import { eitherSignal } from '../../lib/signals.ts';

/** How the Kubernetes endpoint answered while it was watched: looks, those without an answer, the longest silence in milliseconds. */
export type EndpointTold = { readonly looks: number; readonly silent: number; readonly longestMs: number };

/** A watch that runs until it is ended. */
export type EndpointWatch = { end(): Promise<EndpointTold> };

const EVERY_MS = 1_000;
const ANSWER_MS = 3_000;

/**
 * Asks the endpoint of a kubeconfig every second whether its API server is ready, from its first answer until the watch is
 * ended. `/readyz` needs etcd's quorum, so a silence here is one that every client sees. Never throws.
 */
export function watchEndpoint(host: Host, kubeconfig: string): EndpointWatch {
  const ended = new AbortController();
  const signal = eitherSignal(host.signal, ended.signal);
  const told = { looks: 0, silent: 0, longestMs: 0 };
  const watch = async (): Promise<void> => {
    let well: number | undefined;
    while (!signal.aborted) {
      const began = host.clock.now();
      // A kubeconfig that another step just writes is none yet.
      const answer = await ready(kubeconfig, signal).catch(() => undefined);
      if (signal.aborted) return;
      if (answer || (answer === false && well !== undefined)) {
        told.looks += 1;
        if (!answer) told.silent += 1;
        if (well !== undefined && !answer) told.longestMs = Math.max(told.longestMs, host.clock.now() - well);
        if (answer) well = host.clock.now();
      }
      await host.clock.sleep(Math.max(0, EVERY_MS - (host.clock.now() - began)), signal).catch(() => {});
    }
  };
  const watching = watch();
  return {
    async end() {
      ended.abort();
      await watching;
      return told;
    },
  };
}

type Kubeconfig = {
  readonly clusters?: readonly { readonly cluster: { readonly server: string; readonly 'certificate-authority-data': string } }[];
  readonly users?: readonly { readonly user: { readonly 'client-certificate-data': string; readonly 'client-key-data': string } }[];
};

/** Whether the API server said that it is ready; undefined while there is no kubeconfig. */
async function ready(path: string, signal: AbortSignal): Promise<boolean | undefined> {
  const text = await readFile(path, 'utf8').catch(() => undefined);
  if (text === undefined) return undefined;
  const config = parse(text) as Kubeconfig;
  const [cluster, user] = [config.clusters?.[0]?.cluster, config.users?.[0]?.user];
  if (!cluster || !user) return undefined;
  const [ca, cert, key] = [cluster['certificate-authority-data'], user['client-certificate-data'], user['client-key-data']].map((each) => Buffer.from(each, 'base64'));
  return new Promise((resolve) => {
    const asked = request(new URL('/readyz', cluster.server), { ca, cert, key, agent: false, timeout: ANSWER_MS, signal }, (answer) => {
      answer.resume();
      answer.on('end', () => resolve(answer.statusCode === 200));
      answer.on('error', () => resolve(false));
    });
    asked.on('timeout', () => asked.destroy(new Error('no answer')));
    asked.on('error', () => resolve(false));
    asked.end();
  });
}
