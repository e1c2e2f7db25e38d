// Opens the console in a real browser that reaches nothing but it, and notes everything that a page complains of.
import { createRequire } from "node:module";
import { join } from "node:path";
import { existsSync, readFileSync } from "node:fs";

const home = process.env.BROWSER_HOME;
const require = createRequire(join(home, "package.json"));
const { chromium } = require("playwright-core");
export const axe = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");

/** A browser, with arguments of its own. */
export async function browser(more = []) {
  const path = join(home, "chromium");
  return chromium.launch({
    executablePath: existsSync(path) ? path : "/usr/bin/chromium",
    args: ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync", ...more],
  });
}

/** One page of the given size; `complaints` fills with errors, failed requests and requests elsewhere. */
export async function visitor(browser, base, { width = 1280, height = 860, locale = "en", scheme = "light", cookies = [] } = {}) {
  const context = await browser.newContext({ viewport: { width, height }, locale, colorScheme: scheme, reducedMotion: "reduce", acceptDownloads: true });
  if (cookies.length) await context.addCookies(cookies);
  const page = await context.newPage();
  const complaints = [];
  page.on("console", (message) => { if (["error", "warning"].includes(message.type())) complaints.push(`${page.url()}: ${message.text()}`); });
  page.on("pageerror", (error) => complaints.push(`${page.url()}: ${error.message}`));
  page.on("request", (request) => { if (!request.url().startsWith(base) && !request.url().startsWith("data:")) complaints.push(`a request to ${request.url()}`); });
  page.on("requestfailed", (request) => {
    // Streams end with the page that watches them.
    if (!request.url().endsWith("/syncs/events") && request.failure()?.errorText !== "net::ERR_ABORTED") complaints.push(`${request.url()}: ${request.failure()?.errorText}`);
  });
  return { context, page, complaints };
}

/** Waits for a page that is there whole. Streams of events never end, so that a quiet network is no sign. */
export async function go(page, url) {
  const answer = await page.goto(url, { waitUntil: "load" });
  await page.locator("main#content").waitFor();
  return answer;
}

/** Violations of WCAG 2.2 A and AA that axe finds. The policy allows no inline script: axe comes by the debugger. */
export async function violations(page) {
  await page.evaluate(axe);
  const found = await page.evaluate(() => window.axe.run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"] }));
  return found.violations.map((one) => `${one.id}: ${one.help}: ${one.nodes.slice(0, 3).map((node) => `${node.html.slice(0, 160)} ${node.any.map((why) => why.message).join(" ").slice(0, 160)}`).join(" | ")}`);
}
