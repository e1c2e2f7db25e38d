// Takes a picture of every page: `node shots.mjs FOLDER`, with CONSOLE_LINK as it was printed.
import { join } from "node:path";
import { browser, go, visitor } from "./browser.mjs";

const [, , folder] = process.argv;
const link = process.env.CONSOLE_LINK;
const base = new URL(link).origin;
const chrome = await browser();
const first = await visitor(chrome, base);
await go(first.page, link);
const cookies = (await first.context.cookies()).filter((cookie) => cookie.name.startsWith("tenantry_"));
await go(first.page, `${base}/explore/users`);
const user = await first.page.locator("td a.open").nth(3).getAttribute("href");

const sql = "select date_trunc('day', \"date\") as day,\n       count(*) filter (where type = 's') as logins,\n       count(*) filter (where type in ('f', 'fp', 'fu')) as failures\nfrom auth0.logs\ngroup by 1 order by 1";
const pages = [
  ["overview", "/"], ["explore", "/explore"], ["table", "/explore/logs?w=type%7Eis%7Es"], ["user", user], ["sql", `/sql?q=${encodeURIComponent(sql)}`],
  ["diagram", "/diagram"], ["syncs", "/syncs"], ["run", "/syncs/1"],
  ["insight", "/insight"], ["question", "/insight/logins-by-day"], ["detections", "/detections"], ["demo", "/demo"],
];
const looks = process.env.CONSOLE_LOOKS === "all"
  ? [["", 1280, "en", "light"], ["-dark", 1280, "en", "dark"], ["-ja", 1280, "ja", "light"], ["-phone", 390, "ja", "dark"]]
  : [["", 1280, "en", "light"]];
for (const [name, path] of pages) {
  for (const [suffix, width, locale, scheme] of looks) {
    const one = await visitor(chrome, base, { width, height: 820, locale, scheme, cookies });
    const answer = await go(one.page, base + path);
    // What is being counted fills itself.
    await one.page.waitForFunction(() => !document.querySelector(".counting") && !/counting…|集計中…/.test(document.querySelector("main").innerText), null, { timeout: 20_000 }).catch(() => {});
    await one.page.waitForTimeout(250);
    if (answer.status() === 200) await one.page.screenshot({ path: join(folder, `console-${name}${suffix}.png`), fullPage: process.env.CONSOLE_LOOKS === "all" && width < 500 });
    await one.context.close();
  }
}
await chrome.close();
