// Makes each scene of the demo happen by its button, watches the sync that brings it, and looks for it where the page says that it shows.
import { browser, go, violations, visitor } from "./browser.mjs";

const link = process.env.CONSOLE_LINK;
const base = new URL(link).origin;
const wrong = [];
const check = (holds, what) => { if (!holds) { console.error(`WRONG ${what}`); wrong.push(what); } };

const chrome = await browser();
const { context, page, complaints } = await visitor(chrome, base);
await go(page, link);

const answer = async (sql) => {
  await go(page, `${base}/sql?q=${encodeURIComponent(sql)}`);
  return Number((await page.locator("table.is-data td").first().innerText()).replace(/\D/g, ""));
};
const users = () => answer("select count(*) as n from auth0.users where not _fivetran_deleted");
const organizations = () => answer("select count(*) as n from auth0.organization where not _fivetran_deleted");
const runs = async () => answer("select coalesce(max(run), 0) as n from _tenantry.run");

/** Presses the button of a scene, and waits until the page tells of a sync that ended afterwards, without another visit. */
const play = async (title) => {
  const before = await runs();
  await go(page, `${base}/demo`);
  const card = page.locator("article.panel", { has: page.getByRole("heading", { name: title }) });
  await card.getByRole("button", { name: "Make it happen" }).click();
  await page.waitForURL(/\/demo\?did=/);
  await page.locator(".notice.is-good").waitFor();
  await page.locator("#live tr[data-stream]").first().waitFor({ state: "attached", timeout: 90_000 });
  await page.locator(`main a[href='/syncs/${before + 1}']`).waitFor({ timeout: 90_000 });
};

/** Waits until something arrives: a sync on the schedule may have come between the scene and the one that brings it. */
const arrives = async (holds, what) => {
  for (let look = 0; look < 90; look += 1) {
    if (await holds()) return;
    await page.waitForTimeout(500);
  }
  check(false, what);
};

/** Waits until a page shows what it is asked for. */
const shows = (path, holds, what) => arrives(async () => { await go(page, base + path); return holds(); }, what);

const rows = () => page.locator("table.is-data tbody tr").count();

const failed = () => answer("select count(*) as n from auth0.logs where type in ('f', 'fp', 'fu')");
const failures = await failed();
await play("A password-spraying attack");
await arrives(async () => (await failed()) >= failures + 10, "the attack left no failures");
await shows("/detections/password-spraying", async () => (await rows()) > 0, "the attack is not detected");
await shows("/insight/failures-by-ip", async () => (await rows()) > 0, "the attack is not among the failures");
// A number of it leads to its rows.
await page.locator("table.is-data tbody td.number a").first().click();
await page.waitForURL(/\/rows\?/);
await page.locator("main#content").waitFor();
check((await rows()) > 0, "the number leads to no rows");

const before = await users();
await play("A bulk import");
await arrives(async () => (await users()) >= before + 500, "the imported users did not arrive");

const left = await users();
await play("An administrator's mistake");
await arrives(async () => (await users()) < left, "no user was marked deleted after the mistake");
await shows("/insight/admin-changes", async () => (await rows()) > 0, "the administrator's changes are not shown");

const organized = await organizations();
await play("A deleted organization");
await arrives(async () => (await organizations()) === organized - 1, "the organization was not marked deleted");
await go(page, `${base}/explore/organization?deleted=1`);
check((await page.locator("tr.is-deleted").count()) === 1, "the deleted organization is not struck through");

for (const [locale, scheme, width] of [["en", "light", 1280], ["ja", "dark", 390]]) {
  const cookies = (await context.cookies()).filter((cookie) => cookie.name.startsWith("tenantry_"));
  const one = await visitor(chrome, base, { locale, scheme, width, cookies });
  await go(one.page, `${base}/demo`);
  for (const found of await violations(one.page)) check(false, `/demo (${locale}): ${found}`);
  check((await one.page.evaluate(() => document.documentElement.scrollWidth - innerWidth)) <= 0, `/demo (${locale}): wider than the window`);
  for (const text of one.complaints) check(false, `/demo (${locale}): ${text}`);
  await one.context.close();
}
for (const text of complaints) check(false, text);
await chrome.close();
console.log("watched 4 scenes");
process.exit(wrong.length ? 1 : 0);
