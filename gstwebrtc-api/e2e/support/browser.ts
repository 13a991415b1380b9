// SPDX-License-Identifier: MPL-2.0
/** Chromium, and what tests ask of its pages. */

import { chromium, type Browser, type Page } from "playwright-core";
import { CHROMIUM_FLAGS, chromiumPath } from "./chromium.mjs";
import { until } from "./program.js";

/** Starts the browser. */
export function openBrowser(flags: readonly string[] = []): Promise<Browser> {
  return chromium.launch({ executablePath: chromiumPath, args: [...CHROMIUM_FLAGS, ...flags] });
}

/** Opens a page whose errors fail the test that looks at `problems`. */
export async function openPage(
  browser: Browser,
  url: string,
  prepare?: (page: Page) => Promise<void>,
): Promise<{ page: Page; problems: string[] }> {
  const context = await browser.newContext({ ignoreHTTPSErrors: true });
  const page = await context.newPage();
  const problems: string[] = [];
  await prepare?.(page);
  page.on("pageerror", (error) => problems.push(error.message));
  await page.goto(url);
  return { page, problems };
}

/** Frames that the page's first video has shown. */
export function frames(page: Page): Promise<number> {
  return page.evaluate(() => document.querySelector("video")?.getVideoPlaybackQuality().totalVideoFrames ?? 0);
}

/** Waits until `count` more frames were shown. */
export async function waitForFrames(page: Page, count = 20, timeoutMs = 60_000): Promise<void> {
  const start = await frames(page);
  await until(`${count} more frames than ${start}`, timeoutMs, async () => (await frames(page)) >= start + count);
}
