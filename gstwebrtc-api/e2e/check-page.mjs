// SPDX-License-Identifier: MPL-2.0
// Opens the page in a headless browser, watches the first stream it lists, and waits for picture and sound.
//
//   node e2e/check-page.mjs http://127.0.0.1:8080/ [seconds]
//
// Exits with 0 and prints the time to the first frame and the frames per second over that many seconds (default 5), or
// with 1 and says what the page showed. Environment: CHROMIUM, default /usr/bin/chromium; TIMEOUT_S, default 60.

import { chromium } from "playwright-core";
import { CHROMIUM_FLAGS, chromiumPath } from "./support/chromium.mjs";

const [address = "http://127.0.0.1:8080/", seconds = "5"] = process.argv.slice(2);
const timeout = Number(process.env.TIMEOUT_S ?? 60) * 1000;

/** In the page: what is played of the stream's picture and sound. */
function played() {
  const video = document.querySelector(".stream video");
  const { totalVideoFrames, droppedVideoFrames } = video.getVideoPlaybackQuality();
  return {
    at: performance.now(),
    decoded: totalVideoFrames - droppedVideoFrames,
    width: video.videoWidth,
    height: video.videoHeight,
  };
}

/** In the page: waits until the stream's sound is more than silence. */
async function sound(limit) {
  const context = new AudioContext();
  const analyser = context.createAnalyser();
  context.createMediaStreamSource(document.querySelector(".stream video").srcObject).connect(analyser);
  const samples = new Float32Array(analyser.fftSize);
  for (const end = performance.now() + limit; performance.now() < end; ) {
    analyser.getFloatTimeDomainData(samples);
    if (samples.some((sample) => Math.abs(sample) > 0.01)) return true;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return false;
}

async function check(page) {
  await page.goto(address, { timeout });
  await page.locator(".stream .watch").first().click({ timeout });
  const clicked = performance.now();
  await page.waitForFunction(
    () => document.querySelector(".stream video")?.getVideoPlaybackQuality().totalVideoFrames > 0,
    undefined,
    { timeout, polling: "raf" },
  );
  const firstFrame = performance.now() - clicked;
  const before = await page.evaluate(played);
  await page.waitForTimeout(Number(seconds) * 1000);
  const after = await page.evaluate(played);
  const frames = after.decoded - before.decoded;
  if (frames <= 0) throw new Error("the picture stands still");
  if (!(await page.evaluate(sound, timeout))) throw new Error("no sound");
  const rate = (frames * 1000) / (after.at - before.at);
  return `${after.width}x${after.height}, first frame after ${firstFrame.toFixed(0)} ms, ${rate.toFixed(1)} frames/s, sound`;
}

const browser = await chromium.launch({ executablePath: chromiumPath, args: CHROMIUM_FLAGS, timeout });
try {
  const page = await (await browser.newContext({ ignoreHTTPSErrors: true })).newPage();
  try {
    console.log(`${address}: ${await check(page)}`);
  } catch (error) {
    console.error(`${address}: ${error.message.split("\n")[0]}\n${await page.locator("body").innerText()}`);
    process.exitCode = 1;
  }
} finally {
  await browser.close();
}
