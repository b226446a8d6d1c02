import type { Runs } from '../controllers.ts';
import { follow, keyOf } from '../follow.ts';
import { livePod, type PodContext, type PodHandle } from './pod-life.ts';
import type { Pod } from './pod-object.ts';

/** The pods of a node. */
export type Pods = {
  /** Those that live here now, also after their objects are gone, as long as they have not ended. */
  living(): readonly Pod[];
  /** After the node's signal fired: ends what runs for real; resolves when nothing is left. */
  end(how: 'stop' | 'kill'): Promise<void>;
};

/** Follows the pods bound to a node and lives each one's life, until the context's signal fires. */
export function runPods(context: PodContext, nodeName: string): Pods {
  const runs = new Set<Runs>();
  const handles = new Map<string, PodHandle>();
  const lives = new Set<Promise<void>>();
  const leave = (handle: PodHandle, removed: boolean): void => {
    handle.removed ||= removed;
    handle.leave.abort();
  };
  const following = follow<Pod>(context.client, `/api/v1/pods?fieldSelector=spec.nodeName%3D${nodeName}`, context.signal, async ({ changed, removed }) => {
    for (const pod of removed) {
      const handle = handles.get(pod.metadata.uid ?? '');
      if (handle) leave(handle, true);
    }
    for (const pod of changed) {
      const uid = pod.metadata.uid ?? '';
      for (const [other, handle] of handles) if (other !== uid && keyOf(handle.object) === keyOf(pod)) leave(handle, true);
      const known = handles.get(uid);
      const handle = known ?? { object: pod, removed: false, leave: new AbortController() };
      handle.object = pod;
      if (pod.metadata.deletionTimestamp !== undefined) leave(handle, false);
      if (known) continue;
      handles.set(uid, handle);
      const life = livePod(context, handle, runs).finally(() => { handles.delete(uid); lives.delete(life); });
      lives.add(life);
    }
  });
  return {
    living: () => [...handles.values()].map((handle) => handle.object),
    end: async (how) => {
      await Promise.all([...runs].map((each) => each.end(how)));
      await Promise.all([following, ...lives]);
      await Promise.all([...runs].map((each) => each.end(how)));
    },
  };
}
