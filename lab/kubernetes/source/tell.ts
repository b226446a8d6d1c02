import type { PlayedChart } from '../../charts/shelf.ts';
import type { KubeClient } from '../client.ts';
import { nowInSeconds, type SourceObject } from './status.ts';

/** The reasons of the Events that tell what the lab played in place of the internet. */
export const PLAYED = { objects: 'ChartImitated', kinds: 'ChartKindsOnly', note: 'ChartUnknown' } as const;

/** Tells by an Event on the object that the lab played a chart, and how far. What can't be told is left untold. */
export async function tellPlayed(client: KubeClient, kind: string, object: SourceObject, name: string, { played, version, remark }: PlayedChart): Promise<void> {
  const { namespace, uid, resourceVersion } = object.metadata;
  const now = nowInSeconds();
  await client.create(`/api/v1/namespaces/${namespace}/events`, {
    apiVersion: 'v1', kind: 'Event', metadata: { generateName: `${object.metadata.name}.`, namespace },
    involvedObject: { apiVersion: 'source.toolkit.fluxcd.io/v1', kind, namespace, name: object.metadata.name, uid, resourceVersion },
    type: played === 'objects' ? 'Normal' : 'Warning', reason: PLAYED[played],
    message: `chart '${name}' with version '${version}' ${remark}${object.spec['verify'] === undefined ? '' : '; its signature was not looked at'}`,
    source: { component: 'source-controller' }, firstTimestamp: now, lastTimestamp: now, count: 1,
  }).catch(() => {});
}
