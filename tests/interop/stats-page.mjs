// SPDX-License-Identifier: MPL-2.0
// Opens examples/webrtcsink-stats in headless Chromium, clicks the first consumer, and prints how many of the plots
// with values have lines: `drawn N`. A file name as second argument gets a screenshot.
// node stats-page.mjs HOST:PORT [SCREENSHOT]
import { chromium } from "playwright-core";

const [server, screenshot] = process.argv.slice(2);
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox"],
});
// Whoever started this is done when its end of the pipe closes.
process.stdin.on("end", () => browser.close().finally(() => process.exit(0)));
process.stdin.resume();
const tab = await browser.newPage();
tab.on("pageerror", (error) => console.log(`error ${error.message}`));
const page = new URL("../../examples/webrtcsink-stats/index.html", import.meta.url);
page.searchParams.set("remote-url", server);
await tab.goto(page.href);
await tab.click(".consumer");
const isDrawn = (canvas) => {
  const { width, height } = canvas;
  if (!width || !height) return false;
  return canvas.getContext("2d").getImageData(0, 0, width, height).data.some((byte) => byte !== 0);
};
await tab.waitForFunction(
  `[...document.querySelectorAll("canvas")].filter(${isDrawn}).length === 8`,
  undefined,
  { timeout: 60_000 },
);
if (screenshot) {
  await new Promise((resolve) => setTimeout(resolve, 5_000));
  await tab.screenshot({ path: screenshot });
}
console.log("drawn 8");
