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
  const lines: [reason: string, text: string][] = [
    [PLAYED.objects, 'Charts whose objects the lab made in place of the internet'],
    [PLAYED.kinds, 'Charts of which only the kinds are in the lab, none of the programs'],
    [PLAYED.note, 'Charts the lab does not know, so that only a note stands for each and none of its objects'],
  ];
  const told = await Promise.all(lines.map(async ([reason, text]) => [text, await messagesOf(reason)] as const));
  return told.filter(([, charts]) => charts.length > 0).map(([text, charts]) => `${text}: ${charts.join(', ')}.`);
}
