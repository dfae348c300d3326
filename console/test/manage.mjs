import { ok } from 'node:assert/strict';
import { equal } from './steps.mjs';

/** The steps of browser.mjs that change something. What they make, they also take away. */

const dialog = (page) => page.getByRole('dialog');
const row = (page, text) => page.getByRole('row').filter({ hasText: text });

/** Presses a button of the dialog and waits until the dialog is gone. */
async function press(page, name) {
  await dialog(page).getByRole('button', { name, exact: true }).click();
  await dialog(page).waitFor({ state: 'detached' });
}

async function open(page, link, heading = link) {
  await page.getByRole('link', { name: link, exact: true }).click();
  await page.getByRole('heading', { name: heading, level: 1 }).waitFor();
}

export async function checkApps(visit) {
  const { page } = visit;
  await open(page, 'Apps');
  await visit.inspect('apps');
  await page.getByRole('button', { name: 'New app' }).click();
  await dialog(page).getByLabel('Name').fill('Walked App');
  await dialog(page).getByLabel('Currency').fill('12');
  await visit.refused(400, () => dialog(page).getByRole('button', { name: 'Create app' }).click());
  ok((await dialog(page).getByRole('alert').innerText()).includes('ISO 4217'), 'the dialog says what is wrong with the currency');
  await dialog(page).getByLabel('Currency').fill('chf');
  await visit.inspect('app-dialog', { revisit: false });
  await press(page, 'Create app');
  await checkKeys(visit);
  await open(page, 'Apps');
  await row(page, 'Walked App').getByRole('button', { name: 'Delete' }).click();
  const action = dialog(page).getByRole('button', { name: 'Delete app' });
  equal(await action.isDisabled(), true, 'an app is deleted only after its name was typed');
  await dialog(page).getByRole('textbox').fill('Walked App');
  await press(page, 'Delete app');
  await row(page, 'Walked App').waitFor({ state: 'detached' });
}

async function checkKeys(visit) {
  const { page } = visit;
  await page.getByRole('heading', { name: 'Keys & SDKs', level: 1 }).waitFor();
  equal(
    await page.getByRole('combobox', { name: 'App' }).evaluate((select) => select.selectedOptions[0].text),
    'Walked App',
    'the new app is chosen',
  );
  await page.getByText('No key yet').waitFor();
  await page.getByRole('button', { name: 'New key' }).click();
  await dialog(page).getByLabel('Name').fill('Walked key');
  await visit.inspect('key-dialog', { revisit: false });
  await dialog(page).getByRole('button', { name: 'Create key' }).click();
  const key = await dialog(page).getByRole('region', { name: 'The key' }).innerText();
  await dialog(page).getByLabel('Address of your agents').fill('in.example.org');
  for (const sdk of ['Script tag', 'npm', 'iOS', 'Node', 'Go']) {
    await dialog(page).getByRole('button', { name: sdk, exact: true }).click();
    const text = await dialog(page)
      .getByRole('region', { name: `${sdk} snippet` })
      .innerText();
    ok(text.includes(key) && text.includes('in.example.org'), `the ${sdk} snippet is ready to paste`);
  }
  await dialog(page).getByLabel('Address of your agents').fill('');
  await visit.inspect('key-made', { revisit: false });
  await press(page, 'Done, it is copied');
  await page.getByText('Active', { exact: true }).waitFor();
  ok(!(await page.content()).includes(key), 'the key is not shown again');
  await row(page, 'Walked key').getByRole('button', { name: 'Revoke' }).click();
  await visit.picture('confirm');
  await page.keyboard.press('Escape');
  await dialog(page).waitFor({ state: 'detached' });
  equal(await page.evaluate(() => document.activeElement.textContent), 'Revoke Walked key', 'the focus is back where it was');
  await page.keyboard.press('Enter');
  await press(page, 'Revoke key');
  await page.getByText(/^Revoked /).waitFor();
}

export async function checkLinks(visit) {
  const { page } = visit;
  await open(page, 'Links');
  await visit.inspect('links');
  const slug = `walk-${Date.now().toString(36)}`;
  await page.getByRole('button', { name: 'New link' }).click();
  await dialog(page).getByLabel('Media source').fill('walker');
  await dialog(page).getByLabel('Slug').fill(slug);
  await dialog(page).getByLabel('Fallback').fill('ftp://example.com');
  await dialog(page).getByText('Destinations by platform').click();
  await visit.refused(400, () => dialog(page).getByRole('button', { name: 'Create link' }).click());
  ok((await dialog(page).getByRole('alert').innerText()).includes('fallback must be'), 'the dialog says what is wrong with the fallback');
  await visit.inspect('link-dialog', { revisit: false });
  await dialog(page).getByLabel('Fallback').fill('https://example.com/walk');
  await press(page, 'Create link');
  await page.getByLabel('Address of your agents').fill('in.example.org');
  await page.context().grantPermissions(['clipboard-read', 'clipboard-write']);
  for (const [name, path] of [
    ['Click', 'c'],
    ['Impression', 'i'],
  ]) {
    await row(page, slug)
      .getByRole('button', { name: `${name} ${slug}` })
      .click();
    await row(page, slug).getByText('Copied').first().waitFor();
    equal(await page.evaluate(() => navigator.clipboard.readText()), `https://in.example.org/${path}/${slug}`, `the ${name} address is copied`);
  }
  await page.getByLabel('Address of your agents').fill('');
  await row(page, slug).getByRole('button', { name: 'Change' }).click();
  equal(await dialog(page).getByLabel('Slug').isDisabled(), true, 'the slug of a link stays');
  await dialog(page).getByLabel('Campaign').fill('strolling');
  await press(page, 'Save');
  await row(page, slug).getByText('strolling').waitFor();
  await row(page, slug).getByRole('button', { name: 'Delete' }).click();
  await press(page, 'Delete link');
  await row(page, slug).waitFor({ state: 'detached' });
}

export async function checkSettings(visit) {
  const { page } = visit;
  await open(page, 'Attribution rules');
  await visit.inspect('attribution');
  const window = page.getByRole('spinbutton', { name: 'Click window' });
  const before = await window.inputValue();
  const save = page.getByRole('button', { name: /^Save as version/ });
  equal(await save.isDisabled(), true, 'there is nothing to save before something was changed');
  // Somebody else, in another window, is first.
  const other = await page.context().newPage();
  await other.goto(page.url());
  await other.getByRole('spinbutton', { name: 'Lookback' }).fill('45');
  await other.getByRole('button', { name: /^Save as version/ }).click();
  await other.getByText(/^Version \d+ is saved/).waitFor();
  await other.close();
  await window.fill(String(Number(before) + 1));
  await page.getByText(`${before} days`, { exact: true }).first().waitFor();
  await page.getByRole('button', { name: 'Preview on the last 30 days' }).click();
  await page.locator('[data-effect=preview]').or(page.getByText('No conversion happened on the last 30 days.')).first().waitFor();
  await visit.inspect('attribution-preview', { revisit: false });
  await visit.refused(409, () => save.click());
  await page.getByText('was saved meanwhile').waitFor();
  equal(await page.getByRole('spinbutton', { name: 'Lookback' }).inputValue(), '45', 'what the other saved is taken over');
  equal(await window.inputValue(), String(Number(before) + 1), 'what the reader changed is kept');
  await visit.inspect('attribution-conflict', { revisit: false });
  await save.click();
  await page.getByText(/^Version \d+ is saved/).waitFor();
  await page.getByRole('spinbutton', { name: 'First' }).fill('70');
  await page.getByRole('spinbutton', { name: 'Last' }).fill('50');
  await visit.refused(400, () => save.click());
  await page.getByRole('button', { name: 'Undo' }).click();
  equal(await save.isDisabled(), true, 'undone changes are not saved');
  await window.fill(before);
  await page.getByRole('spinbutton', { name: 'Lookback' }).fill('30');
  await save.click();
  await page.getByText(/^Version \d+ is saved/).waitFor();
}

export async function checkPeople(visit) {
  const { page } = visit;
  await open(page, 'People & roles');
  await visit.inspect('people');
  await page.getByRole('link', { name: 'What each role may do' }).click();
  await page.getByRole('heading', { name: 'Roles', level: 1 }).waitFor();
  await visit.inspect('roles');
  const { data } = visit.answers.get('roles');
  const held = await page
    .locator('tbody tr')
    .evaluateAll((rows) =>
      rows.map((row) => [
        row.querySelector('.mono').textContent,
        [...row.querySelectorAll('[data-held]')].map((cell) => cell.dataset.held === 'true'),
      ]),
    );
  equal(held.length, 14, 'every permission is a row');
  for (const [permission, cells] of held)
    equal(
      cells,
      data.map((role) => role.permissions.includes(permission)),
      `who has ${permission}`,
    );
  await page.getByRole('button', { name: 'New role' }).click();
  await dialog(page).getByLabel('Name').fill('walking-reader');
  await dialog(page)
    .getByLabel(/See reports/)
    .check();
  await visit.inspect('role-dialog', { revisit: false });
  await press(page, 'Create role');
  await page.getByRole('button', { name: 'Delete walking-reader' }).click();
  await press(page, 'Delete role');
  await page.getByRole('button', { name: 'Delete walking-reader' }).waitFor({ state: 'detached' });
  await page.getByRole('link', { name: '← People' }).click();
  const email = `walker-${Date.now().toString(36)}@example.com`;
  await page.getByRole('button', { name: 'New person' }).click();
  await dialog(page).getByLabel('Email').fill(email);
  await dialog(page).getByLabel('Name').fill('Wanda Walker');
  await dialog(page).getByLabel('Password').fill('a-walk-that-lasts-long');
  await dialog(page).getByLabel('Apps').selectOption('some');
  equal(await dialog(page).getByRole('button', { name: 'Create person' }).isDisabled(), true, 'a role for no app is not sent');
  await dialog(page).getByRole('checkbox').first().check();
  await dialog(page).getByLabel('Only countries').fill('de, at');
  await visit.inspect('person-dialog', { revisit: false });
  await press(page, 'Create person');
  await row(page, email)
    .getByText(/only DE, AT/)
    .waitFor();
  await row(page, email).getByRole('button', { name: 'Change' }).click();
  await dialog(page).getByRole('button', { name: 'Add a role' }).click();
  await dialog(page).getByLabel('Role', { exact: true }).last().selectOption('marketer');
  await press(page, 'Save');
  await row(page, email).getByText('Marketer').waitFor();
  for (const [button, state] of [
    ['Disable', 'Disabled'],
    ['Enable', 'Active'],
  ]) {
    await row(page, email).getByRole('button', { name: button }).click();
    await press(page, button);
    await row(page, email).getByText(state, { exact: true }).waitFor();
  }
  await row(page, email).getByRole('button', { name: 'Change' }).click();
  await dialog(page).getByRole('button', { name: 'Make a link to reset the password' }).click();
  visit.link = await dialog(page).getByRole('region', { name: 'The link' }).innerText();
  await visit.inspect('person-reset', { revisit: false });
  await press(page, 'Cancel');
  await checkAccept(visit);
  await row(page, email).getByRole('button', { name: 'Delete' }).click();
  await press(page, 'Delete person');
  await row(page, email).waitFor({ state: 'detached' });
}

/** Follows the link with which somebody chooses a password, in another window. */
async function checkAccept(visit) {
  const other = await visit.page.context().newPage();
  await other.goto(visit.link);
  await other.getByRole('heading', { name: 'Choose a password' }).waitFor();
  await other.getByLabel('New password', { exact: true }).fill('another-walk-that-lasts');
  await other.getByLabel('New password, again').fill('another-walk-that-lasts');
  if (visit.shots) await other.screenshot({ path: `${visit.shots}/accept-${visit.name}.png` });
  await other.getByRole('button', { name: 'Set password' }).click();
  await other.waitForURL((url) => url.pathname !== '/accept' && url.hash === '');
  await other.close();
}

/** The last owner cannot be disabled, and the console says so. */
export async function checkLastOwner(visit) {
  const { page } = visit;
  await page.getByText('Nobody disables themselves').waitFor();
  equal(
    await row(page, 'You')
      .getByRole('button', { name: /Disable|Delete/ })
      .count(),
    0,
    'nobody is offered to lock themselves out',
  );
}

export async function checkAudit(visit) {
  const { page } = visit;
  await open(page, 'Audit');
  await page.getByText(/Chain intact/).waitFor();
  await visit.inspect('audit');
  const { data } = visit.answers.get('audit');
  equal(await page.locator('.entries > tbody > tr').count(), data.length, 'every entry is a row');
  const more = page.getByRole('button', { name: 'Show more' });
  if (await more.count()) {
    await more.click();
    await page.waitForFunction((before) => document.querySelectorAll('.entries > tbody > tr').length > before, data.length);
  }
  await page.getByLabel('Outcome').selectOption('failure');
  await page.waitForFunction(() => [...document.querySelectorAll('.entries .badge')].every((cell) => cell.textContent === 'failure'));
  await page.getByLabel('Outcome').selectOption('');
  await page.getByLabel('Action').selectOption('link.change');
  await page.waitForURL(/action=link\.change/);
  await page.waitForFunction(() => [...document.querySelectorAll('.entries > tbody th')].every((cell) => cell.textContent === 'link.change'));
  await page
    .getByRole('button', { name: /^Details/ })
    .first()
    .click();
  await page.locator('.detail').getByRole('cell', { name: 'strolling' }).waitFor();
  await visit.inspect('audit-detail', { revisit: false });
  await page.reload();
  await page
    .getByRole('button', { name: /^Details/ })
    .first()
    .waitFor();
  equal(await page.getByLabel('Action').inputValue(), 'link.change', 'the filter survives a reload');
}

export async function checkAgents(visit) {
  const { page } = visit;
  await open(page, 'Health');
  await page.getByRole('button', { name: 'Enrol an agent' }).click();
  await dialog(page).getByLabel('Name of the agent').fill('walked-agent');
  await dialog(page).getByLabel('Region').fill('nowhere');
  await dialog(page).getByRole('button', { name: 'Make token' }).click();
  ok((await dialog(page).getByRole('region', { name: 'The token' }).innerText()).length > 20, 'the token is shown');
  await visit.inspect('enroll', { revisit: false });
  await press(page, 'Done, it is copied');
}

/** Only on the mock server: a real agent would be gone for good. */
export async function checkRevoke(visit) {
  const { page } = visit;
  await row(page, 'edge-sin-1').getByRole('button', { name: 'Revoke' }).click();
  await dialog(page).getByRole('textbox').fill('edge-sin-1');
  await press(page, 'Revoke agent');
  await row(page, 'edge-sin-1').getByText('Revoked').waitFor();
}

export async function checkAccount(visit, { password }) {
  const { page } = visit;
  await page.locator('[popovertarget=user-menu]').click();
  await page.getByRole('link', { name: 'Your account' }).click();
  await page.getByRole('heading', { name: 'Your account', level: 1 }).waitFor();
  await page.getByText('This one').waitFor();
  await visit.inspect('account');
  const name = page.getByLabel('How others see you');
  const before = await name.inputValue();
  for (const called of ['Walking Owner', before]) {
    await name.fill(called);
    await page.getByRole('button', { name: 'Save name' }).click();
    await page.locator('[popovertarget=user-menu]').filter({ hasText: called }).waitFor();
  }
  await page.getByLabel('Present password').fill('not-my-password');
  await page.getByLabel('New password', { exact: true }).fill(password);
  await page.getByLabel('New password, again').fill(`${password}-or-not`);
  const change = page.getByRole('button', { name: 'Change password' });
  equal(await change.isDisabled(), true, 'two different passwords are not sent');
  await page.getByLabel('New password, again').fill(password);
  await visit.refused(400, () => change.click());
  ok((await page.getByRole('alert').innerText()).includes('current_password'), 'the page says what is wrong');
  await page.reload();
  await page.getByText('This one').waitFor();
}

/** Only on the mock server, whose second factor knows one code. */
export async function checkFactor(visit, { password }) {
  const { page } = visit;
  await page.getByRole('button', { name: 'Set up' }).click();
  await dialog(page).getByLabel('Your password').fill(password);
  await dialog(page).getByRole('button', { name: 'Go on' }).click();
  await dialog(page).getByLabel(/^Code/).fill('000 000');
  await visit.refused(400, () => dialog(page).getByRole('button', { name: 'Turn on' }).click());
  await visit.inspect('totp-setup', { revisit: false });
  await dialog(page).getByLabel(/^Code/).fill('123 456');
  await dialog(page).getByRole('button', { name: 'Turn on' }).click();
  equal((await dialog(page).getByRole('region', { name: 'Recovery codes' }).innerText()).split('\n').length, 10, 'the recovery codes are shown');
  await visit.picture('totp-codes');
  await press(page, 'Done, they are kept');
  await page.getByRole('button', { name: 'Turn off' }).click();
  await dialog(page).getByLabel('Your password').fill(password);
  await press(page, 'Turn off');
  await page.getByRole('button', { name: 'Set up' }).waitFor();
  await page.getByRole('button', { name: 'New token' }).click();
  await dialog(page).getByLabel('Name').fill('Walked token');
  await visit.inspect('token-dialog', { revisit: false });
  await dialog(page).getByRole('button', { name: 'Create token' }).click();
  ok((await dialog(page).getByRole('region', { name: 'The token' }).innerText()).startsWith('ut_'), 'the token is shown');
  await press(page, 'Done, it is copied');
  await row(page, 'Walked token').getByRole('button', { name: 'Revoke' }).click();
  await press(page, 'Revoke token');
  await row(page, 'Walked token').waitFor({ state: 'detached' });
  await page.getByRole('button', { name: /^End / }).click();
  await page.getByRole('button', { name: /^End / }).waitFor({ state: 'detached' });
}
