// One `rotate` in a process of its own, to be killed: `node rotate-run.ts CLUSTER_FOLDER SCRATCH KUBECONFIG`.
import { mkdirSync, copyFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createFacts } from '../../bootstrap/facts.ts';
import { rotateSteps } from '../../bootstrap/rotate.ts';
import { runSteps } from '../../bootstrap/runner.ts';
import type { Host } from '../../lib/host.ts';
import { loadCluster } from '../../nodes/load.ts';
import { testHost } from '../support/host.ts';

const [folder = '', scratch = '', kubeconfig = ''] = process.argv.slice(2);
const own = testHost({ SOPS_AGE_KEY_FILE: process.env['SOPS_AGE_KEY_FILE'] ?? '', FAKE_CLUSTER: process.env['FAKE_CLUSTER'] ?? '', GIT_AUTHOR_NAME: 'owner', GIT_AUTHOR_EMAIL: 'o@localhost', GIT_COMMITTER_NAME: 'owner', GIT_COMMITTER_EMAIL: 'o@localhost' });
mkdirSync(scratch, { recursive: true });
const kubectl = fileURLToPath(new URL('fake-kubectl.mjs', import.meta.url));
const host: Host = { ...own, scratch, run: (command) => own.run(command.program === 'kubectl' ? { ...command, program: kubectl } : command) };
copyFileSync(kubeconfig, join(scratch, 'kubeconfig'));
try {
  const facts = createFacts(await loadCluster(folder), scratch);
  await runSteps(rotateSteps(facts, 5_000), host);
} finally {
  own.remove();
}
