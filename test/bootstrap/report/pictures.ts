// Takes the pictures of the report for docs/: node test/bootstrap/report/pictures.ts [a run's report.json]; without one, the reference record.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { reportHtml } from '../../../bootstrap/report/html.ts';
import { readReport } from '../../../bootstrap/report/json.ts';
import { chromium, startBrowser } from './browser.ts';
import { earlier, passed } from './fixtures/records.ts';

const docs = fileURLToPath(new URL('../../../docs/', import.meta.url));
const source = process.argv[2];
const program = chromium();
if (program === undefined) throw new Error('no Chromium on PATH');
const folder = mkdtempSync(join(tmpdir(), 'report-'));
const page = join(folder, 'report.html');
writeFileSync(page, source === undefined ? reportHtml([passed], earlier) : reportHtml(readReport(readFileSync(source, 'utf8'), source), new Map()));
const browser = await startBrowser(program, join(folder, 'profile'));
for (const [name, width, height, scale] of [['desktop', 1280, 2030, 1], ['phone', 390, 1480, 1.5]] as const) {
  await browser.call('Emulation.setDeviceMetricsOverride', { width, height: 900, deviceScaleFactor: scale, mobile: width < 600 });
  await browser.call('Emulation.setEmulatedMedia', { features: [{ name: 'prefers-color-scheme', value: 'light' }] });
  await browser.open(pathToFileURL(page).href);
  const { data } = await browser.call('Page.captureScreenshot', { format: 'png', captureBeyondViewport: true, clip: { x: 0, y: 0, width, height, scale: 1 } }) as { data: string };
  writeFileSync(join(docs, `report-${name}.png`), Buffer.from(data, 'base64'));
}
await browser.close();
rmSync(folder, { recursive: true, force: true });
