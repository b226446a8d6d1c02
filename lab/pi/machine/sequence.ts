import { setTimeout as sleep } from 'node:timers/promises';
import type { Node } from '../node.ts';

// The phases of siderolabs/talos v1.11 (internal/app/machined/pkg/runtime/v1alpha1) as recorded from the real thing.
const COMMON: readonly (readonly [string, readonly string[]])[] = [
  ['stopServices', ['stopServicesForUpgrade']], ['umount', ['unmountPodMounts']], ['unmountBind', ['unmountSystemDiskBindMounts']],
  ['unmountSystem', ['unmountEphemeralPartition']], ['volumeFinalize', ['teardownLifecycle']], ['kexec', ['kexecPrepare']],
];
const BEGIN: readonly (readonly [string, readonly string[]])[] = [['cleanup', ['stopAllPods']], ['dbus', ['stopDBus']]];
const PHASES = {
  reboot: [...BEGIN, ...COMMON], shutdown: [...BEGIN, ...COMMON.slice(0, -1)],
  reset: [...BEGIN, ['preReset', ['sendResetSignal']] as const, ...COMMON],
} as const;
const STEP_MS = 5;

/** Tells a sequence to those who follow the events, phase by phase; `stopEverything` begins and never ends, as then the machine is gone. */
export async function tellSequence(node: Node, sequence: keyof typeof PHASES, actor: string, signal: AbortSignal): Promise<void> {
  const tell = async (type: string, payload: Readonly<Record<string, unknown>>): Promise<void> => {
    node.events.add(type, payload, actor);
    await sleep(STEP_MS, undefined, { signal });
  };
  await tell('SequenceEvent', { sequence, action: 1 });
  for (const [phase, tasks] of PHASES[sequence]) {
    await tell('PhaseEvent', { phase, action: 0 });
    for (const task of tasks) {
      await tell('TaskEvent', { task, action: 0 });
      await tell('TaskEvent', { task, action: 1 });
    }
    await tell('PhaseEvent', { phase, action: 1 });
  }
  await tell('PhaseEvent', { phase: 'stopEverything', action: 0 });
  // The client takes this task for the sign that the machine goes down.
  await tell('TaskEvent', { task: 'stopAllServices', action: 0 });
}
