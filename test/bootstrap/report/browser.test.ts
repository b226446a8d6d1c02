import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { test } from 'node:test';
import { reportHtml } from '../../../bootstrap/report/html.ts';
import { chromium, startBrowser } from './browser.ts';
import { hostile } from './fixtures/hostile.ts';
import { earlier, nine, passed } from './fixtures/records.ts';

const program = chromium();

test('in a browser: no error, no request, nothing beyond the edges of a phone or a desk, whatever the names', { skip: program === undefined && 'no Chromium on PATH', timeout: 120_000 }, async () => {
  const folder = mkdtempSync(join(tmpdir(), 'report-'));
  const pages = Object.entries({ one: reportHtml([passed], earlier), all: reportHtml(nine, earlier), hostile: reportHtml([hostile], new Map()) })
    .map(([name, text]) => ({ name, path: join(folder, `${name}.html`), text }));
  for (const { path, text } of pages) writeFileSync(path, text);
  const browser = await startBrowser(program!, join(folder, 'profile'));
  const evaluate = async (expression: string): Promise<unknown> => ((await browser.call('Runtime.evaluate', { expression, returnByValue: true })) as { result: { value?: unknown } }).result.value;
  try {
    for (const { name, path } of pages) {
      for (const [width, height] of [[390, 844], [1280, 900]] as const) {
        await browser.call('Emulation.setDeviceMetricsOverride', { width, height, deviceScaleFactor: 1, mobile: width < 600 });
        await browser.open(pathToFileURL(path).href);
        await evaluate('document.querySelectorAll("details").forEach((details) => { details.open = true; })');
        assert.equal(await evaluate('document.documentElement.scrollWidth'), width, `${name} is as wide as its window of ${width}`);
        const beyond = await evaluate('[...document.querySelectorAll("body *")].filter((element) => !element.closest(".unseen, .patterns") && element.getBoundingClientRect().right > innerWidth + 1).map((element) => element.outerHTML.slice(0, 120))');
        assert.deepEqual(beyond, [], `${name} at ${width}`);
        const verdict = Number(await evaluate('document.querySelector("h1 .word").getBoundingClientRect().height'));
        assert.ok(verdict >= (width < 600 ? 40 : 90), `the verdict of ${name} is ${verdict} px high at ${width}`);
      }
    }
    await browser.open('about:blank');
    await browser.open(`${pathToFileURL(join(folder, 'all.html')).href}#s6-git-host-lost`);
    assert.deepEqual(await evaluate('[...document.querySelectorAll("details.scenario")].flatMap((details, index) => details.open ? [index] : [])'), [5], 'the link of a table opens its scenario');
    const asked = browser.events('Network.requestWillBeSent').map((event) => (event['request'] as { url: string }).url);
    assert.deepEqual(asked.filter((url) => !pages.some(({ path }) => url === pathToFileURL(path).href) && !['data:,', 'about:blank'].includes(url)), []);
    assert.deepEqual(browser.events('Log.entryAdded'), []);
    assert.deepEqual(browser.events('Runtime.exceptionThrown'), []);
    assert.deepEqual(browser.events('Runtime.consoleAPICalled'), []);
    assert.deepEqual(browser.events('Page.javascriptDialogOpening'), []);
  } finally {
    await browser.close();
    rmSync(folder, { recursive: true, force: true });
  }
});
