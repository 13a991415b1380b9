// SPDX-License-Identifier: MPL-2.0
// Opens the page in a headless browser, watches the first stream it lists, and waits for frames.
//
//   node e2e/check-page.mjs http://127.0.0.1:8080/ [frames]
//
// Exits with 0 and says how many frames came, or with 1 and says what the page showed.
// Environment: CHROMIUM, default /usr/bin/chromium; TIMEOUT_S, default 60.

import { chromium } from "playwright-core";
import { CHROMIUM_FLAGS, chromiumPath } from "./support/chromium.mjs";

const [address = "http://127.0.0.1:8080/", wanted = "30"] = process.argv.slice(2);
const timeout = Number(process.env.TIMEOUT_S ?? 60) * 1000;

const browser = await chromium.launch({ executablePath: chromiumPath, args: CHROMIUM_FLAGS, timeout });
try {
  const page = await (await browser.newContext({ ignoreHTTPSErrors: true })).newPage();
  await page.goto(address, { timeout });
  try {
    await page.locator(".stream .watch").first().click({ timeout });
    await page.waitForFunction(
      (count) => document.querySelector(".stream video")?.getVideoPlaybackQuality().totalVideoFrames >= count,
      Number(wanted),
      { timeout },
    );
    const [frames, width, height] = await page.$eval(".stream video", (video) => [
      video.getVideoPlaybackQuality().totalVideoFrames,
      video.videoWidth,
      video.videoHeight,
    ]);
    console.log(`${address}: ${frames} frames of ${width}x${height} played`);
  } catch (error) {
    console.error(`${address}: ${error.message.split("\n")[0]}\n${await page.locator("body").innerText()}`);
    process.exitCode = 1;
  }
} finally {
  await browser.close();
}
