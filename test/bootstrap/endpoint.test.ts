import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { watchEndpoint } from '../../bootstrap/rebuild/endpoint.ts';
import { testHost } from '../support/host.ts';

test('a kubeconfig that is just being written ends no run: there is none yet', async () => {
  const host = testHost();
  const path = join(host.scratch, 'kubeconfig');
  for (const text of ['clusters: [{ cluster: { serv', 'clusters: [{ cluster: { certificate-authority-data: aGk= } }]\nusers: [{ user: { client-certificate-data: aGk= } }]\n', '']) {
    writeFileSync(path, text);
    const watch = watchEndpoint(host, path);
    await host.clock.sleep(20, host.signal);
    assert.deepEqual(await watch.end(), { looks: 0, silent: 0, longestMs: 0 });
  }
  host.remove();
});
