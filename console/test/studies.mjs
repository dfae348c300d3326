import { ok } from 'node:assert/strict';
import { equal } from './steps.mjs';

/** The views of the model comparison. */

const micros = (text) => BigInt(text.replace('.', ''));

async function open(visit, name) {
  await visit.page.getByRole('navigation', { name: 'Comparisons' }).getByRole('link', { name, exact: true }).click();
}

export async function checkStudies(visit) {
  await checkTwo(visit);
  await checkPaths(visit);
}

async function checkTwo(visit) {
  const { page } = visit;
  await open(visit, 'Two models');
  await page.locator('[data-compared]').waitFor();
  await page.getByRole('combobox', { name: 'To', exact: true }).selectOption('linear');
  await page.getByRole('heading', { name: 'First touch and linear' }).waitFor();
  await visit.inspect('two-models');
  const report = visit.answers.get('reports/compare');
  equal([report.a, report.b], ['first_touch', 'linear'], 'the models that were chosen');
  const rows = await page.locator('[data-compared] tbody tr').evaluateAll((list) =>
    list.map((row) => ['a', 'b', 'difference'].map((name) => row.querySelector(`[data-${name}]`).dataset[name])));
  equal(rows.length, report.rows.length, 'every media source is a row');
  for (const [a, b, difference] of rows) equal(micros(b) - micros(a), micros(difference), 'the difference is that of the two');
  equal(rows.reduce((sum, [, , difference]) => sum + micros(difference), 0n), micros(report.total.b.conversions) - micros(report.total.a.conversions), 'no credit is lost from one model to the other');
  await page.reload();
  await page.getByRole('heading', { name: 'First touch and linear' }).waitFor();
}

async function checkPaths(visit) {
  const { page } = visit;
  await open(visit, 'Paths');
  await page.getByRole('heading', { name: 'Most frequent paths' }).waitFor();
  await visit.inspect('paths');
  const report = visit.answers.get('reports/paths');
  equal(await page.locator('[data-path]').count(), report.paths.length, 'every path is a row');
  ok(report.lengths.reduce((sum, { conversions }) => sum + conversions, 0) > 0, 'there are lengths');
  equal(await page.getByRole('region', { name: 'Lag' }).count() > 0, true, 'the lag is shown');
}
