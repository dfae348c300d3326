import { ok } from 'node:assert/strict';
import { equal } from './steps.mjs';

/** From an app without anything: a key is made, and the code to paste has it. */
export async function checkStart(visit) {
  const { page } = visit;
  await page.getByRole('link', { name: 'Get started' }).click();
  await page.getByRole('heading', { name: 'Get started', level: 1 }).waitFor();
  await page.getByRole('heading', { name: 'The first event' }).waitFor();
  await visit.inspect('start');
  await page.getByRole('button', { name: /^Make (a|another) client key$/ }).click();
  const key = await page.getByRole('region', { name: 'The key' }).innerText();
  for (const sdk of ['Script tag', 'iOS', 'Android', 'React Native', 'Flutter', 'RudderStack', 'curl']) {
    await page.getByRole('button', { name: sdk, exact: true }).click();
    ok((await page.getByRole('region', { name: `${sdk} snippet` }).innerText()).includes(key), `the ${sdk} snippet is ready to paste`);
  }
  await page.getByRole('link', { name: 'Keys & SDKs', exact: true }).first().click();
  await page.getByRole('heading', { name: 'Keys & SDKs', level: 1 }).waitFor();
  await page.getByText('First key').first().waitFor();
  equal((await page.content()).includes(key), false, 'the key is not shown again');
}
