import { deepStrictEqual, ok } from 'node:assert/strict';

/** The steps of browser.mjs. Amounts are compared as millionths in BigInt, never as floats. */

export const equal = deepStrictEqual;

const MODELS = ['first_touch', 'last_touch', 'linear', 'time_decay', 'position_based'];
const METRICS = ['installs', 'events', 'revenue'];

function micros(text) {
  const [whole, fraction = ''] = text.split('.');
  return BigInt(whole + fraction.padEnd(6, '0'));
}

const digits = (text) => text.replaceAll(/[^\d]/g, '');

export async function signIn(page, { email, password }) {
  await page.getByLabel('Email').fill(email);
  await page.getByLabel('Password').fill(password);
  await page.getByLabel('Password').press('Enter');
}

export async function signOut(visit) {
  const { page } = visit;
  await page.locator('[popovertarget=user-menu]').click();
  await page.getByLabel('Appearance').selectOption('dark');
  equal(await page.evaluate(() => document.documentElement.dataset.theme), 'dark', 'the appearance can be chosen');
  await visit.picture('menu');
  await page.getByLabel('Appearance').selectOption('system');
  await page.getByRole('button', { name: 'Sign out' }).click();
  await page.getByRole('button', { name: 'Sign in' }).waitFor();
  await page.reload();
  await page.getByRole('button', { name: 'Sign in' }).waitFor();
}

export async function checkHome(visit) {
  const { page } = visit;
  await page.getByRole('slider').waitFor();
  await visit.inspect('home');
  const { total } = visit.answers.get('reports/performance?day compared');
  ok(Number(total.metrics.installs) > 0, 'there are no installs to look at; send some first (make demo)');
  for (const metric of METRICS) {
    const tile = page.locator(`.tiles [data-metric=${metric}]`);
    equal(await tile.getAttribute('data-exact'), total.metrics[metric], `${metric} on the screen`);
  }
  equal(digits(await page.locator('[data-metric=installs] .value').innerText()), total.metrics.installs, 'installs are written in full');
  // The figure that is chosen is charted; the arrow keys read the chart.
  await page.locator('[data-metric=revenue]').click();
  await page.getByRole('heading', { name: 'Revenue, daily' }).waitFor();
  await page.waitForFunction(() => document.activeElement?.getAttribute('data-metric') === 'revenue');
  await page.getByRole('slider').focus();
  await page.keyboard.press('End');
  await page.keyboard.press('ArrowLeft');
  await page.locator('.tip').waitFor();
  await visit.picture('chart');
  await page.getByRole('button', { name: 'Table', exact: true }).click();
  await page.getByRole('region', { name: 'Revenue, daily' }).waitFor();
  await visit.inspect('home-table');
  // Filters are in the address and survive a reload, as the session does.
  await chooseDays(page, 'Last 7 days');
  await page.waitForURL(/range=7d/);
  await page.reload();
  await page.getByRole('heading', { name: 'Revenue, daily' }).waitFor();
  ok((await page.getByRole('button', { name: /^Days:/ }).innerText()).startsWith('Last 7 days'), 'the days survive a reload');
  // Each change is one step of Back, and Back keeps the page.
  await chooseDays(page, 'Last 30 days');
  await page.waitForURL(/range=30d/);
  await page.goBack();
  await page.waitForURL(/range=7d/);
  await page.getByRole('heading', { name: 'Home', level: 1 }).waitFor();
  await page.goForward();
  await page.waitForURL(/range=30d/);
}

/** By keyboard alone: the grid, the drawer that says why, and a journey. */
export async function checkCampaigns(visit) {
  const { page } = visit;
  await page.getByRole('link', { name: 'Campaigns', exact: true }).focus();
  await page.keyboard.press('Enter');
  await page.locator('tr[data-row]').first().waitFor();
  await visit.inspect('campaigns');
  const report = visit.answers.get('reports/performance?media_source compared');
  const rows = page.locator('tr[data-row]');
  equal(await rows.count(), report.rows.length, 'every source is a row');
  const installs = await rows.locator('[data-metric=installs]').evaluateAll((cells) => cells.map((cell) => cell.dataset.exact));
  equal(
    installs.reduce((sum, value) => sum + BigInt(value), 0n),
    BigInt(report.total.metrics.installs),
    'the installs of the rows sum to the total',
  );
  const paid = report.rows.findIndex(({ media_source }) => !['organic', 'unattributed'].includes(media_source));
  await rows.first().focus();
  for (let i = 0; i < paid; i++) await page.keyboard.press('j');
  await page.keyboard.press('ArrowRight');
  await page.locator('tr[data-row].nested').first().waitFor();
  await visit.inspect('campaigns-open', { revisit: false });
  await page.keyboard.press('w');
  await page.getByRole('heading', { name: `Why ${report.rows[paid].media_source}` }).waitFor();
  await page.waitForURL(/why=media_source/);
  await page.locator('aside [data-model]').first().waitFor();
  await visit.inspect('why');
  ok((await page.locator('aside [data-model]').count()) >= MODELS.length, 'every model says what it gives');
  await page.keyboard.press('Escape');
  await page.locator('aside').waitFor({ state: 'detached' });
  await page.goBack();
  await page.locator('aside [data-model]').first().waitFor();
  const journey = page.locator('aside .journey a').first();
  if (await journey.count()) {
    await journey.focus();
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: 'Journey and credit' }).waitFor();
    await page.goBack();
    await page.locator('aside [data-model]').first().waitFor();
  }
  await page.keyboard.press('Escape');
}

export async function chooseDays(page, name) {
  await page.getByRole('button', { name: /^Days:/ }).click();
  await page.getByRole('dialog', { name: 'Days' }).getByRole('button', { name }).click();
  await page.getByRole('dialog', { name: 'Days' }).waitFor({ state: 'detached' });
}

export async function checkModels(visit) {
  const { page } = visit;
  await page.getByRole('link', { name: 'Models', exact: true }).click();
  await page.getByRole('heading', { name: 'Revenue credited' }).waitFor();
  await visit.inspect('models');
  ok(page.url().includes('range=30d'), 'the days come along to another page');
  equal(await page.getByRole('alert').count(), 0, 'the totals agree with the rows');
  const report = visit.answers.get('reports/performance?media_source');
  equal(await page.locator('[data-dumbbell]').count(), Math.min(report.rows.length, 14), 'every source is a line of the chart');
  for (const measure of ['events', 'revenue']) {
    const [rows, total] = await page.locator(`table[data-measure=${measure}]`).evaluate((table) => {
      const exact = (row) => [...row.querySelectorAll('[data-exact]')].map((cell) => cell.dataset.exact);
      return [[...table.tBodies[0].rows].map(exact), exact(table.tFoot.rows[0])];
    });
    ok(rows.length > 0, 'there are media sources to compare');
    MODELS.forEach((model, column) => {
      const sum = rows.reduce((all, row) => all + micros(row[column]), 0n);
      equal(sum, micros(total[column]), `${measure} under ${model}: the rows sum to the total`);
      equal(sum, micros(report.total.models[model][measure]), `${measure} under ${model}: the screen shows the server's total`);
    });
  }
  await page.getByRole('combobox', { name: 'Model' }).selectOption('linear');
  await page.waitForURL(/model=linear/);
  await page
    .getByRole('columnheader', { name: /base\s*Linear/ })
    .first()
    .waitFor();
}

export async function checkConversions(visit) {
  const { page } = visit;
  await page.getByRole('link', { name: 'Conversions' }).click();
  await page.getByRole('table').waitFor();
  await visit.inspect('conversions');
  const { data } = visit.answers.get('conversions');
  equal(await page.locator('tbody tr').count(), data.length, 'every conversion is a row');
  const more = page.getByRole('button', { name: 'Show more' });
  if (await more.count()) {
    await more.click();
    await page.waitForFunction((before) => document.querySelectorAll('tbody tr').length > before, data.length);
  }
  // The longest journeys have the most to show: one that earned something, and one of an install.
  const longest = (rows) => rows.reduce((best, row) => (row.touches > (best?.touches ?? 0) ? row : best), null);
  const chosen = {
    journey: longest(data.filter((row) => row.currency)),
    'journey-install': longest(data.filter((row) => /install/i.test(row.event))),
  };
  ok(chosen.journey || chosen['journey-install'], 'no conversion has a touch; send some touches first (make demo)');
  for (const [name, row] of Object.entries(chosen)) {
    if (!row) continue;
    await page.locator('tbody a').nth(data.indexOf(row)).click();
    await checkJourney(visit, name, row);
  }
}

async function checkJourney(visit, name, row) {
  const { page } = visit;
  await page.getByRole('heading', { name: 'Journey and credit' }).waitFor();
  await page.getByRole('heading', { name: 'Who it was, and what else they met' }).waitFor();
  await visit.inspect(name);
  const journey = visit.answers.get(`conversions/${encodeURIComponent(row.id)}`);
  equal(journey.id, row.id, 'the journey that was asked for');
  equal(journey.touches.length, row.touches, 'the list and the journey count the same touches');
  equal(await page.locator('[data-touch]').count(), journey.touches.length, 'every touch is a row');
  for (const [column, model] of MODELS.entries()) {
    const shown = await page
      .locator('[data-touch]')
      .evaluateAll((rows, at) => rows.map((row) => row.querySelectorAll('[data-credit]')[at].dataset.credit), column);
    equal(
      shown.reduce((all, credit) => all + BigInt(credit), 0n),
      1_000_000n,
      `${model}: the credits sum to one`,
    );
    if (!journey.revenue || !journey.currency) continue;
    const shares = journey.touches.map((touch) => micros(touch.revenue[model] ?? '0'));
    equal(
      shares.reduce((all, share) => all + share, 0n),
      micros(journey.revenue),
      `${model}: the shares sum to the revenue`,
    );
  }
  equal(await page.locator('.verdict').count(), journey.candidates?.length ?? 0, 'every candidate has its verdict');
  await page.goBack();
  await page.getByRole('heading', { name: 'Conversions', level: 1 }).waitFor();
}
