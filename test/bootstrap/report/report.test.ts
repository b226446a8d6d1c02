import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { test } from 'node:test';
import { reportFiles } from '../../../bootstrap/report/files.ts';
import { reportHtml } from '../../../bootstrap/report/html.ts';
import { STYLE } from '../../../bootstrap/report/style.ts';
import { reportText } from '../../../bootstrap/report/text.ts';
import type { RehearsalRecord } from '../../../bootstrap/report/types.ts';
import { length, moment } from '../../../bootstrap/report/words.ts';
import { ENDLESS, HOSTILE, hostile } from './fixtures/hostile.ts';
import { earlier, nine, passed, scenarioOf } from './fixtures/records.ts';

function golden(name: string, text: string): void {
  const path = fileURLToPath(new URL(`golden/${name}`, import.meta.url));
  if (process.env['UPDATE_GOLDEN'] === '1') writeFileSync(path, text);
  assert.equal(text, readFileSync(path, 'utf8'));
}

test('the text of one rehearsal is as kept (UPDATE_GOLDEN=1 writes it)', () => golden('one.txt', reportText([passed], earlier)));

test('the text of nine rehearsals is as kept (UPDATE_GOLDEN=1 writes it)', () => golden('all.txt', reportText(nine, earlier)));

test('lengths and moments read as people say them', () => {
  const said = [0, 400, 9_940, 9_960, 59_400, 59_600, 60_000, 859_900, 3_599_600, 3_900_000, 7_200_000, 190_000_000].map((ms) => length(ms).replaceAll('\u00a0', ' '));
  assert.deepEqual(said, ['0.0 s', '0.4 s', '9.9 s', '10 s', '59 s', '1 min', '1 min', '14 min 20 s', '1 h', '1 h 05 min', '2 h', '2 d 4 h']);
  assert.equal(moment('2026-11-23T07:42:10.000Z'), '23 November 2026, 07:42 UTC');
  assert.equal(moment('yesterday'), 'yesterday');
});

test('a page asks nothing of a network: no script, no address to load from, and a policy that allows its own style alone', () => {
  for (const page of [reportHtml([passed], earlier), reportHtml(nine, earlier), reportHtml([hostile], new Map())]) {
    assert.doesNotMatch(page, /<script|<img|<iframe|<object|<embed|<base|<form|@import|\son\w+="|javascript:/i);
    assert.deepEqual([...page.matchAll(/<link [^>]*>/g)].map(([tag]) => tag), ['<link rel="icon" href="data:,">']);
    for (const [, target] of page.matchAll(/<[^>]*\s(?:href|src|action|srcset)="([^"]*)"/g)) assert.match(target!, /^(#[a-z0-9-]+|data:,)$/);
    for (const [, target] of page.matchAll(/url\(([^)]*)\)/g)) assert.match(target!, /^#[a-z]+$/);
    assert.ok(page.includes(`style-src &#39;sha256-${createHash('sha256').update(STYLE).digest('base64')}&#39;`));
    assert.equal(page.split('<style>').length, 2);
    assert.doesNotMatch(page, /<[^>]*\sstyle="/);
  }
});

test('ids are there once, and every link of a page leads to one of them', () => {
  const page = reportHtml(nine, earlier);
  const ids = [...page.matchAll(/\sid="([^"]*)"/g)].map(([, id]) => id!);
  assert.equal(new Set(ids).size, ids.length);
  const links = [...page.matchAll(/(?:href="#|aria-labelledby=")([^"]*)"/g)].map(([, id]) => id!);
  assert.ok(links.length > 9);
  assert.deepEqual(links.filter((id) => !ids.includes(id)), []);
  assert.deepEqual(['hatch', 'dots', 'cross', 'faint'].filter((id) => !ids.includes(id)), []);
});

test('hostile names stay words: in a page, in its attributes, and in a terminal', () => {
  const { 'report.html': page, 'report.txt': text } = reportFiles([hostile], new Map());
  assert.equal(page.split('</title>').length, page.split('<title>').length);
  assert.match(page, /<title>[^<]*<\/title>\n<style>/);
  assert.equal(page.split('</style>').length, 2);
  assert.doesNotMatch(page, /<script|<img|" autofocus/);
  assert.ok(page.includes('&lt;script&gt;alert(1)&lt;/script&gt;') && page.includes('&amp;lt;'));
  for (const told of [page, text]) assert.doesNotMatch(told, /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/);
  assert.ok(page.isWellFormed() && text.isWellFormed());
  assert.ok(text.includes('\ufffd[31mred') && HOSTILE.includes('\u001b') && text.includes(ENDLESS));
});

test('every picture says what it shows, or is passed over; every table has a caption and heads', () => {
  const page = reportHtml(nine, earlier);
  for (const [tag] of page.matchAll(/<svg [^>]*>/g)) {
    if (!/ x="/.test(tag)) assert.match(tag, /role="img" aria-label="[^"]+"|aria-hidden="true"/);
  }
  const tables = page.split('<table ').slice(1);
  assert.ok(tables.length > 30);
  for (const table of tables) assert.match(table, /^[^>]*><caption[^>]*>[^<]+<\/caption>\s*<thead[^>]*><tr[^>]*><th scope="col"/);
  const levels = [...page.matchAll(/<h([1-6])/g)].map(([, level]) => Number(level));
  assert.equal(levels[0], 1);
  assert.ok(levels.every((level, index) => index === 0 || level <= levels[index - 1]! + 1), 'no heading skips a level');
});

test('the verdict stands first, in the title too; a refusal that had to be is told as one', () => {
  const refused = nine.find((record) => record.scenario.name === 'stale-backup')!;
  const page = reportHtml([refused], new Map());
  assert.match(page, /<title>Passed: The backup is older than the cluster \(gandalf\)<\/title>/);
  assert.match(page, /Refused with E_RESTORE_OLDER, before anything was touched, as it must be/);
  assert.doesNotMatch(page, /Time to recover/);
  assert.match(reportHtml(nine, earlier), /<h1>.*7 of 9 passed/);
  assert.match(reportHtml(nine.slice(0, 2), earlier), /<h1>.*All 2 passed/);
});

test('a refusal for another reason, or after harm, is not called right', () => {
  const other: RehearsalRecord = { ...nine.at(-1)!, verdict: 'failed', reasons: ['It was refused for another reason.'], ended: { end: 'failure', code: 'E_ARCHIVE_KEY', message: 'm', hint: 'h', harm: ['the card of gandalf-w-1 was written'] } };
  const page = reportHtml([other], new Map());
  assert.match(page, /E_RESTORE_BUNDLE was expected/);
  assert.match(page, /the card of gandalf-w-1 was written/);
  assert.doesNotMatch(page, /before anything was touched|nothing was changed before/);
});

test('a page lists the first differences by name, those not allowed before all others, and counts the rest', () => {
  const many = Array.from({ length: 2_000 }, (_, index) => ({ kind: 'ConfigMap', namespace: 'apps', name: `c-${index}`, change: 'lost' as const, allowed: index !== 1_999, why: 'made after the backup' }));
  const page = reportHtml([scenarioOf('x', 'Many lost', 's', { differences: many })], new Map());
  assert.match(page, /And 1,800 more: report\.json has them all/);
  assert.ok(page.indexOf('apps/c-1999') < page.indexOf('apps/c-0<') && page.includes('apps/c-1999'));
});

test('letters stand out from their ground by 4.5 to 1 at least, in the light and in the dark', () => {
  const [light, dark] = [...STYLE.matchAll(/:root\{color-scheme:light dark;([^}]*)\}|dark\)\{:root\{([^}]*)\}/g)].map((match) => new Map([...(match[1] ?? match[2])!.matchAll(/--([a-z-]+):(#[0-9a-f]+)/g)].map(([, name, color]) => [name!, color!])));
  for (const theme of [light!, dark!]) {
    for (const name of ['ink', 'soft', 'good', 'bad', 'warn', 'link', 'measured']) {
      for (const ground of ['paper', ...(name === 'ink' || name === 'soft' ? ['wash', 'dead'] : [])]) assert.ok(contrast(theme.get(name)!, theme.get(ground)!) >= 4.5, `${name} on ${ground}: ${contrast(theme.get(name)!, theme.get(ground)!)}`);
    }
    for (const band of ['band-good', 'band-bad', 'band-warn']) assert.ok(contrast('#fff', theme.get(band)!) >= 4.5, band);
  }
});

/** WCAG 2's contrast of two colours, `#rgb` or `#rrggbb`. */
function contrast(one: string, other: string): number {
  const [light, dark] = [one, other].map((color) => {
    const hex = color.length === 4 ? [...color.slice(1)].map((digit) => digit + digit).join('') : color.slice(1);
    const [red, green, blue] = [0, 2, 4].map((at) => Number.parseInt(hex.slice(at, at + 2), 16) / 255).map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4)) as [number, number, number];
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  }).toSorted((a, b) => b - a) as [number, number];
  return (light + 0.05) / (dark + 0.05);
}
