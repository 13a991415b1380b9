// SPDX-License-Identifier: MPL-2.0
// A page in Chromium that answers an offer and plays what comes.
//
//   node viewer.mjs
//
// Lines of JSON come in: {offer}, {candidate, index}; and go out: {answer}, {candidate, index}, {stats} of the
// incoming picture four times a second. Ends with its input.
import process from "node:process";
import { createInterface } from "node:readline";

import { chromium } from "playwright-core";

import { CHROMIUM_FLAGS, chromiumPath } from "../../../gstwebrtc-api/e2e/support/chromium.mjs";

const say = (news) => process.stdout.write(`${JSON.stringify(news)}\n`);

/** Runs in the page. */
function prepare() {
  const connection = new RTCPeerConnection();
  connection.ontrack = ({ streams, track }) => {
    const video = document.body.appendChild(document.createElement("video"));
    Object.assign(video, { muted: true, autoplay: true, srcObject: streams[0] ?? new MediaStream([track]) });
  };
  connection.onicecandidate = ({ candidate }) =>
    candidate?.candidate && globalThis.say({ candidate: candidate.candidate, index: candidate.sdpMLineIndex });
  globalThis.hear = async ({ offer, candidate, index }) => {
    if (!offer) return connection.addIceCandidate({ candidate, sdpMLineIndex: index });
    await connection.setRemoteDescription({ type: "offer", sdp: offer });
    await connection.setLocalDescription();
    return globalThis.say({ answer: connection.localDescription.sdp });
  };
  globalThis.stats = async () => {
    const reports = [...(await connection.getStats()).values()];
    return reports.find(({ type, kind }) => type === "inbound-rtp" && kind === "video");
  };
}

const browser = await chromium.launch({ executablePath: chromiumPath, args: CHROMIUM_FLAGS });
const page = await browser.newPage();
page.on("console", (message) => console.error(message.text()));
page.on("pageerror", (error) => console.error(error.message));
await page.exposeFunction("say", say);
await page.evaluate(prepare);
const report = async () => {
  const stats = await page.evaluate(() => globalThis.stats());
  if (stats) say({ stats });
};
const timer = setInterval(() => report().catch(() => undefined), 250);
for await (const line of createInterface({ input: process.stdin })) {
  await page.evaluate((news) => globalThis.hear(news), JSON.parse(line));
}
clearInterval(timer);
await browser.close();
