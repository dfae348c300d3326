import { ok } from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { equal } from './steps.mjs';

/** The views of the model comparison. */

const micros = (text) => BigInt(text.replace('.', ''));

async function open(visit, name) {
  await visit.page.getByRole('navigation', { name: 'Comparisons' }).getByRole('link', { name, exact: true }).click();
}

export async function checkStudies(visit) {
  await checkTwo(visit);
  await checkPaths(visit);
  await checkLate(visit);
  await checkRates(visit);
}

async function checkLate(visit) {
  const { page } = visit;
  await visit.page.getByRole('link', { name: 'Late data' }).click();
  await page.getByRole('heading', { name: 'Message ids with several contents' }).waitFor();
  await visit.inspect('late');
  equal(await page.locator('[data-late]').count(), visit.answers.get('reports/late').rows.length, 'every source of late touches is a row');
  equal(await page.locator('[data-conflict]').count(), visit.answers.get('conflicts').data.length, 'every conflict is a row');
}

/** What orders computations and stores rates. */
export async function changeStudies(visit) {
  await visit.page.getByRole('link', { name: 'Models', exact: true }).click();
  await learn(visit);
  await simulate(visit);
  await storeRate(visit);
}

async function learn(visit) {
  const { page } = visit;
  await open(visit, 'Data-driven');
  const before = await page.locator('[data-run]').count();
  await page.getByRole('button', { name: 'Compute for these days' }).click();
  await page.waitForFunction((count) => document.querySelectorAll('[data-run]').length > count, before);
  await page.locator('[data-run=done]').first().waitFor({ timeout: 60_000 });
  await page.locator('[data-learned] tbody tr').first().waitFor();
  equal(await page.locator('[data-learned] thead th').count(), 8, 'seven models stand side by side');
  await visit.inspect('data-driven');
  await page.getByRole('link', { name: /Compare last touch/ }).click();
  await page.getByRole('heading', { name: 'Last touch and markov chain' }).waitFor();
  await open(visit, 'Data-driven');
  const runs = page.locator('[data-run]');
  await runs.first().waitFor();
  const left = (await runs.count()) - 1;
  await runs.first().getByRole('button', { name: 'Delete' }).click();
  await page.waitForFunction((count) => document.querySelectorAll('[data-run]').length === count, left);
}

async function simulate(visit) {
  const { page } = visit;
  await open(visit, 'What-if');
  await page.getByText('New what-if run over these days').click();
  await page.getByLabel('Name').fill('Walked');
  equal(await page.getByRole('button', { name: 'Start the run' }).isDisabled(), true, 'a run needs another setting');
  await page.getByRole('spinbutton', { name: 'Lookback' }).fill('1');
  await page.getByRole('button', { name: 'Start the run' }).click();
  await page.locator('[data-run=done]', { hasText: 'Walked' }).waitFor({ timeout: 60_000 });
  await page.getByRole('heading', { name: 'Walked, beside the present numbers' }).waitFor();
  await visit.inspect('what-if');
  const sums = await page
    .locator('[data-effect=what-if] tbody tr')
    .evaluateAll((rows) => rows.map((row) => [row.querySelector('[data-now]').dataset.now, row.querySelector('[data-then]').dataset.then]));
  const sum = (at) => sums.reduce((all, row) => all + micros(row[at]), 0n);
  equal(sum(0), sum(1), 'other settings move credit and lose none');
  await page.getByRole('button', { name: 'Delete Walked' }).click();
  await page.locator('[data-run]', { hasText: 'Walked' }).waitFor({ state: 'detached' });
}

async function storeRate(visit) {
  const { page } = visit;
  await visit.page.getByRole('link', { name: 'Costs & currencies' }).click();
  const store = async (rate) => {
    await page.getByLabel('Day', { exact: true }).fill('1999-01-04');
    await page.getByLabel('is in', { exact: true }).fill('xts');
    await page.getByLabel(/^Rate/).fill(rate);
    await page.getByRole('button', { name: 'Store', exact: true }).click();
    await page.getByText('1 rate is stored.').waitFor();
  };
  await store('1.25');
  await page.getByRole('row').filter({ hasText: 'XTS' }).waitFor();
  await store('0');
  await page.getByRole('row').filter({ hasText: 'XTS' }).waitFor({ state: 'detached' });
}

async function checkRates(visit) {
  const { page } = visit;
  await visit.page.getByRole('link', { name: 'Costs & currencies' }).click();
  await page.getByRole('region', { name: 'Exchange rates', exact: true }).waitFor();
  await visit.inspect('rates');
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
  const rows = await page
    .locator('[data-compared] tbody tr')
    .evaluateAll((list) => list.map((row) => ['a', 'b', 'difference'].map((name) => row.querySelector(`[data-${name}]`).dataset[name])));
  equal(rows.length, report.rows.length, 'every media source is a row');
  for (const [a, b, difference] of rows) equal(micros(b) - micros(a), micros(difference), 'the difference is that of the two');
  equal(
    rows.reduce((sum, [, , difference]) => sum + micros(difference), 0n),
    micros(report.total.b.conversions) - micros(report.total.a.conversions),
    'no credit is lost from one model to the other',
  );
  await page.reload();
  await page.getByRole('heading', { name: 'First touch and linear' }).waitFor();
}

async function checkPaths(visit) {
  const { page } = visit;
  await visit.page.getByRole('link', { name: 'Paths' }).click();
  await page.getByRole('heading', { name: 'Most frequent paths' }).waitFor();
  await visit.inspect('paths');
  const report = visit.answers.get('reports/paths');
  equal(await page.locator('[data-path]').count(), report.paths.length, 'every path is a row');
  ok(report.lengths.reduce((sum, { conversions }) => sum + conversions, 0) > 0, 'there are lengths');
  equal((await page.getByRole('region', { name: 'Lag' }).count()) > 0, true, 'the lag is shown');
  const [saved] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name: 'Save as CSV' }).click()]);
  equal(saved.suggestedFilename(), 'paths.csv', 'the paths are saved as a file');
  const [header] = readFileSync(await saved.path(), 'utf8').split('\r\n');
  equal(header, 'path,touches,conversions,share,revenue,currency,unconverted', 'what was saved is what the server answers as CSV');
}
