// Lets somebody in by password, at a name of the network that is no secure place: there browsers send less about where a request comes from.
import { browser, go, violations, visitor } from "./browser.mjs";

const base = process.env.CONSOLE_BASE;
const password = process.env.CONSOLE_PASSWORD;
const wrong = [];
const check = (holds, what) => { if (!holds) { console.error(`WRONG ${what}`); wrong.push(what); } };

const chrome = await browser([`--host-resolver-rules=MAP ${new URL(base).hostname} 127.0.0.1`]);
for (const [locale, scheme, width, title] of [["en", "light", 1280, "Sign in"], ["ja", "dark", 390, "ログイン"]]) {
  const { context, page, complaints } = await visitor(chrome, base, { locale, scheme, width });
  const what = (text) => `${locale}, ${scheme}, ${width}: ${text}`;
  // What is refused is told by its status, and a header that means nothing without TLS is passed over: the browser says so of either.
  const others = () => complaints.splice(0).filter((text) => !text.includes("401") && !text.includes("Cross-Origin-Opener-Policy header has been ignored"));

  check((await page.goto(`${base}/insight?days=7`)).status() === 401, what("the console is shown without the password"));
  check((await page.locator("h1").innerText()) === title, what("another page than the one to sign in"));
  check((await page.evaluate(() => document.activeElement?.id)) === "password", what("the field is not ready to be typed into"));
  for (const found of await violations(page)) check(false, what(found));

  await page.keyboard.type(`${password}x`);
  await Promise.all([page.waitForResponse((answer) => answer.url() === `${base}/login`), page.keyboard.press("Enter")]);
  await page.locator("[role='alert']").waitFor();
  check((await context.cookies()).length === 0, what("a wrong password gives a cookie"));
  for (const found of await violations(page)) check(false, what(found));
  check((await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)) <= 0, what("wider than the window"));

  await page.fill("#password", password);
  await page.keyboard.press("Enter");
  await page.waitForURL(`${base}/`);
  await page.locator("main#content").waitFor();
  const cookies = await context.cookies();
  check(cookies.length === 1 && cookies[0].httpOnly && cookies[0].sameSite === "Strict", what(`the cookie is ${JSON.stringify(cookies)}`));
  check((await go(page, `${base}/explore/users`)).status() === 200, what("a page is refused after the right password"));
  check((await page.locator("table.is-data tbody tr").count()) > 5, what("no rows"));
  // A form of this session is taken here too.
  await page.getByRole("button", { name: locale === "en" ? "日本語" : "English" }).click();
  await page.locator(`html[lang='${locale === "en" ? "ja" : "en"}']`).waitFor();
  for (const text of others()) check(false, what(text));
  await context.close();
}
await chrome.close();
console.log("signed in");
process.exit(wrong.length ? 1 : 0);
