// SPDX-License-Identifier: MPL-2.0
// Opens a page of pages/ in headless Chromium and prints what it reports, one JSON value a line.
// node browser.mjs play|publish URL
import { createServer } from "node:http";
import { build } from "esbuild";
import { chromium } from "playwright-core";

const [page, url] = process.argv.slice(2);
const bundle = await build({
  entryPoints: [new URL(`pages/${page}.js`, import.meta.url).pathname],
  bundle: true,
  format: "esm",
  write: false,
  logLevel: "error",
});
const html = `<!doctype html><video autoplay muted playsinline></video><script type="module" src="/page.js"></script>`;
const server = createServer((request, response) => {
  const isScript = request.url.startsWith("/page.js");
  response.setHeader("content-type", isScript ? "text/javascript" : "text/html");
  response.end(isScript ? bundle.outputFiles[0].text : html);
});
await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: [
    "--no-sandbox",
    "--autoplay-policy=no-user-gesture-required",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
    "--disable-features=WebRtcHideLocalIpsWithMdns,LocalNetworkAccessChecks",
  ],
});
// Whoever started this is done when its end of the pipe closes.
process.stdin.on("end", () => browser.close().finally(() => process.exit(0)));
process.stdin.resume();
const tab = await browser.newPage();
tab.on("console", (message) => console.log(message.text()));
tab.on("pageerror", (error) => console.log(`error ${error.message}`));
tab.on("crash", () => process.exit(1));
const opened = new URL(`http://127.0.0.1:${server.address().port}/`);
opened.searchParams.set("url", url);
await tab.goto(opened.href);
