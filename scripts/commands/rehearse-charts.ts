import { getObjects } from '../../gitops/kubectl.ts';
import { PLAYED } from '../../lab/kubernetes/source/tell.ts';
import type { Host } from '../../lib/host.ts';

/**
 * What the lab played in place of charts from the internet, as lines to say, by the Events that it left in the cluster; none where
 * no chart was asked for or the cluster can't be asked.
 */
export async function playedCharts(host: Host, kubeconfig: string): Promise<string[]> {
  const messagesOf = async (reason: string): Promise<string[]> => {
    const events = await getObjects(host, kubeconfig, ['events', '--all-namespaces', `--field-selector=reason=${reason}`]).catch(() => []);
    const charts = events.map((event) => /^chart '(.+?)' with version '(.+?)'/.exec(String(event['message']))).filter((match) => match !== null);
    return [...new Set(charts.map(([, name, version]) => `${name} ${version}`))].sort();
  };
  const [imitated, unknown] = [await messagesOf(PLAYED.objects), await messagesOf(PLAYED.note)];
  return [
    ...(imitated.length === 0 ? [] : [`Charts whose objects the lab made in place of the internet: ${imitated.join(', ')}.`]),
    ...(unknown.length === 0 ? [] : [`Charts the lab does not know, so that only a note stands for each and none of its objects: ${unknown.join(', ')}.`]),
  ];
}
