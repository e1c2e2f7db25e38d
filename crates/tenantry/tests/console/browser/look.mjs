// Looks at every page in both languages, light and dark, wide and as narrow as a phone; then uses them. Ends with 1 where something is wrong.
import { browser, go, violations, visitor } from "./browser.mjs";

const link = process.env.CONSOLE_LINK;
const base = new URL(link).origin;
const hostile = process.env.CONSOLE_HOSTILE_USER;
const wrong = [];
const say = (what) => { if (!wrong.includes(what)) console.error(`WRONG ${what}`); wrong.push(what); };
const check = (holds, what) => { if (!holds) say(what); };

const chrome = await browser();
const first = await visitor(chrome, base);

// Nobody is let in without the link; the link lets one browser in.
check((await first.page.goto(`${base}/`)).status() === 401, "the console is shown without a session");
first.complaints.length = 0;
check((await go(first.page, link)).status() === 200, "the link does not open the console");
const cookies = (await first.context.cookies()).filter((cookie) => cookie.name.startsWith("tenantry_"));
check(cookies.length === 1 && cookies[0].httpOnly && cookies[0].sameSite === "Strict", `the cookie is ${JSON.stringify(cookies)}`);
check((await first.page.evaluate(() => document.cookie)) === "", "a script can read the cookie");

// The first sync fills the tables.
const { page } = first;
await go(page, `${base}/syncs`);
await page.locator("a[href='/syncs/1']").waitFor({ timeout: 60_000 });

// A check's page, and the pages of one application, organization and action.
const gathered = [];
await go(page, `${base}/detections`);
gathered.push(await page.locator("main a[href^='/detections/']").last().getAttribute("href"));
for (const table of ["client", "organization", "action"]) {
  await go(page, `${base}/explore/${table}`);
  gathered.push(await page.locator("td a.open").first().getAttribute("href"));
}

const paths = ["/", "/explore", "/explore/users", "/explore/logs?w=type%7Eis%7Es", "/explore/action", "/sql", "/sql?q=select+date_trunc('day'%2C+\"date\")+as+day%2C+count(*)+as+events+from+auth0.logs+group+by+1+order+by+1", "/sql?q=selec", "/diagram", "/syncs", "/syncs/1", "/explain/gap", "/nowhere", "/insight", "/insight?days=7&client=nobody", "/insight/logins-by-day", "/insight/failures-by-ip?days=90", "/insight/signup-funnel", "/insight/stats-beside-log", "/insight/logins-by-day/rows?value=logins", "/detections", "/detections/password-spraying?days=7", ...gathered, `/explore/users/row?key=${encodeURIComponent(JSON.stringify([hostile]))}`, ...(process.env.CONSOLE_PATHS ?? "").split(" ").filter(Boolean)];
let looked = 0;
// A page is looked at in each language, theme and width, by two looks that have none of them in common; the next page is by two others.
const looks = [["en", "light", 1280], ["en", "dark", 1280], ["en", "light", 390], ["en", "dark", 390]];
const other = ([, scheme, width]) => ["ja", scheme === "light" ? "dark" : "light", width === 390 ? 1280 : 390];
for (const [at, look] of [...looks, ...looks.map(other)].entries()) {
  const [locale, scheme, width] = look;
  const one = await visitor(chrome, base, { width, locale, scheme, cookies });
  for (const path of paths.filter((_, page) => page % looks.length === at % looks.length)) {
    const what = `${path} (${locale}, ${scheme}, ${width})`;
    const answer = await go(one.page, base + path);
    check(answer.status() === (path === "/nowhere" ? 404 : 200), `${what}: status ${answer.status()}`);
    check((await one.page.evaluate(() => document.documentElement.lang)) === locale, `${what}: another language`);
    check((await one.page.evaluate(() => document.documentElement.scrollWidth - innerWidth)) <= 0, `${what}: wider than the window`);
    check((await one.page.locator("h1").count()) === 1, `${what}: not one heading`);
    for (const found of await violations(one.page)) say(`${what}: ${found}`);
    const complaints = one.complaints.splice(0).filter((text) => path !== "/nowhere" || !text.includes("404"));
    for (const text of complaints) say(`${what}: ${text}`);
    looked += 1;
  }
  await one.context.close();
}

// A name that holds markup is text wherever it stands.
for (const path of [`/explore/users/row?key=${encodeURIComponent(JSON.stringify([hostile]))}`, "/explore/user_app_metadata?w=name%7Ebegins%7E%3Cimg", `/sql?q=${encodeURIComponent(`select * from auth0.users where id = '${hostile}'`)}`]) {
  await go(page, base + path);
  check((await page.getByText("<img src=x onerror", { exact: false }).count()) > 0, `${path} does not show the name`);
  check((await page.evaluate(() => window.ran)) === undefined, `${path} ran what a name holds`);
  check((await page.locator("main img, main script:not([src])").count()) === 0, `${path} made markup of a name`);
}

// Language and theme are kept.
await go(page, `${base}/explore`);
await page.getByRole("button", { name: "日本語" }).click();
await page.waitForURL(`${base}/explore`);
check((await page.evaluate(() => document.documentElement.lang)) === "ja", "the language is not switched");
await page.getByRole("button", { name: "English" }).click();
await page.locator("html[lang='en']").waitFor();
await page.getByRole("button", { name: /Theme/ }).click();
await page.locator("html[data-theme='light']").waitFor();

// A filter is found by the keyboard, and says what SQL says.
await go(page, `${base}/explore/logs`);
await page.keyboard.press("/");
check((await page.evaluate(() => document.activeElement?.id)) === "v", "`/` does not go to the filter");
await page.selectOption("#c", "type");
await page.fill("#v", "s");
await page.keyboard.press("Enter");
await page.waitForURL(/w=type/);
await page.locator("main#content").waitFor();
const told = Number((await page.locator(".found").innerText()).replace(/\D/g, ""));
await go(page, `${base}/sql?q=${encodeURIComponent("select count(*) as n from auth0.logs where type = 's'")}`);
const counted = Number((await page.locator("table.is-data td").innerText()).replace(/\D/g, ""));
check(told === counted && counted > 0, `the filter finds ${told}, SQL ${counted}`);
await page.keyboard.press("g");
await page.keyboard.press("r");
await page.waitForURL(`${base}/diagram`);
await page.locator("main#content").waitFor();
await page.locator("a.entity").first().click();
await page.waitForURL(/\/explore\//);

// The editor completes names, runs, draws, and can be stopped.
await go(page, `${base}/sql`);
await Promise.all([page.waitForResponse((answer) => answer.url().endsWith("/sql/names")), page.click("#q")]);
await page.keyboard.type("select type, count(*) as events from auth0.lo");
await page.locator("#names li").first().waitFor();
check((await page.locator("#names").innerText()).includes("logs"), "no completion of a table");
await page.keyboard.press("Escape");
await page.fill("#q", "select type, count(*) as events from auth0.logs group by 1 order by 2 desc");
await page.keyboard.press("Control+Enter");
await page.waitForURL(/\/sql\?.*q=select/);
await page.locator(".chart canvas").waitFor();
check((await page.locator("table.is-data tbody tr").count()) > 2, "the answer is no table");
await page.fill("#q", "select count(*) from range(100000000) a, range(100000000) b where a.range * b.range % 7 = 3");
await page.keyboard.press("Control+Enter");
await page.locator("#cancel").click();
await page.locator("#cancel").waitFor({ state: "hidden" });

// A sync is watched as it goes.
await go(page, `${base}/syncs`);
const runs = await page.locator("main a[href^='/syncs/']").count();
const [posted] = await Promise.all([
  page.waitForResponse((answer) => answer.request().method() === "POST"),
  page.getByRole("button", { name: "Read again in full" }).click(),
]);
check(posted.status() === 303, `the button gives ${posted.status()}`);
// Seen as it goes, or as it stands when it has ended: the next sync begins with an empty table.
await page.locator("#live tr[data-stream]").nth(5).waitFor({ state: "attached", timeout: 60_000 }).catch(() => say("the lists of the sync were not shown live"));
await page.locator(`main a[href='/syncs/${runs + 1}']`).waitFor({ timeout: 60_000 });

for (const text of first.complaints) say(text);
await chrome.close();
console.log(`looked at ${looked} pages`);
process.exit(wrong.length ? 1 : 0);
