import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { test } from 'node:test';
import { startFactory } from '../../lab/factory/factory.ts';
import { requireImageFile, requireVersion } from '../../talos/available.ts';
import { testHost } from '../support/host.ts';

test('a factory without the version, one that is away and what is no factory are told as that, with what to do', async () => {
  const host = testHost();
  const factory = await startFactory({ address: '127.33.9.1', port: 0, folder: host.scratch });
  await requireVersion(host, factory.url, '1.11.0');
  await assert.rejects(requireVersion(host, factory.url, '1.11.99'), (error: Error & { code: string; hint: string }) => (
    error.code === 'E_FACTORY_VERSION' && /has no Talos v1\.11\.99/.test(error.message) && /Of 1\.11 it has .*v1\.11\.0.*talos\.version/.test(error.hint)));
  factory.fail('refuse');
  await assert.rejects(requireVersion(host, factory.url, '1.11.0'), { code: 'E_FACTORY', message: /cannot be reached/ });
  await factory.close();

  const answers: [number, string][] = [[500, 'no'], [200, '<html>'], [200, '{"versions": []}']];
  const other = createServer((_request, response) => { const [status, text] = answers.shift()!; response.writeHead(status).end(text); });
  await new Promise<void>((resolve) => { other.listen(0, '127.33.9.2', resolve); });
  const url = `http://127.33.9.2:${(other.address() as { port: number }).port}`;
  for (const message of [/answered 500/, /something else/, /something else/]) await assert.rejects(requireVersion(host, url, '1.11.0'), { code: 'E_FACTORY', message });
  await new Promise((resolve) => { other.close(resolve); });
  await assert.rejects(requireImageFile(join(host.scratch, 'none.raw.zst')), { code: 'E_IMAGE_MISSING', hint: /talos\.image/ });
  host.remove();
});
