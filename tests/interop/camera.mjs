// SPDX-License-Identifier: MPL-2.0
// Chromium as a producer of a camera, a microphone and a screen, spoken to in lines of JSON:
//   out: {"type":"offer","sdp":…}  {"candidate":{…}}  {"state":…}
//   in:  {"type":"answer","sdp":…}  {"candidate":…,"index":…}  {"screen":true|false}
// node camera.mjs
import { createServer } from "node:http";
import { createInterface } from "node:readline";
import { chromium } from "playwright-core";

const server = createServer((_, response) => {
  response.setHeader("content-type", "text/html");
  // A screen that stands still is hardly ever sent.
  response.end("<!doctype html><title>camera</title><h1></h1>");
});
await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: [
    "--no-sandbox",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
    "--auto-accept-this-tab-capture",
    "--disable-features=WebRtcHideLocalIpsWithMdns,LocalNetworkAccessChecks",
  ],
});
const tell = (message) => console.log(JSON.stringify(message));
const tab = await browser.newPage();
tab.on("pageerror", (error) => tell({ error: error.message }));
tab.on("crash", () => process.exit(1));
await tab.exposeFunction("tell", tell);
await tab.goto(`http://127.0.0.1:${server.address().port}/`);

// Runs in the page. What is heard is handled one thing at a time, as a page with perfect negotiation does.
await tab.evaluate(async () => {
  const heading = document.querySelector("h1");
  setInterval(() => (heading.textContent = String(performance.now())), 50);
  const connection = new RTCPeerConnection();
  const offer = async () => {
    await connection.setLocalDescription();
    window.tell({ type: "offer", sdp: connection.localDescription.sdp });
  };
  connection.addEventListener("icecandidate", ({ candidate }) => {
    if (candidate?.candidate) window.tell({ candidate: candidate.candidate, index: candidate.sdpMLineIndex });
  });
  connection.addEventListener("connectionstatechange", () => {
    window.tell({ state: connection.connectionState });
    if (connection.connectionState === "failed") connection.restartIce();
  });
  const camera = await navigator.mediaDevices.getUserMedia({ video: { width: 640, height: 360 }, audio: true });
  const screen = await navigator.mediaDevices.getDisplayMedia({ video: true, preferCurrentTab: true });
  for (const track of camera.getTracks()) connection.addTrack(track, camera);
  const sender = connection.addTrack(screen.getVideoTracks()[0], screen);
  const transceiver = connection.getTransceivers().find((other) => other.sender === sender);
  window.hear = async (message) => {
    if (message.type === "answer") await connection.setRemoteDescription(message);
    else if ("screen" in message) transceiver.direction = message.screen ? "sendonly" : "inactive";
    else await connection.addIceCandidate({ candidate: message.candidate, sdpMLineIndex: message.index });
  };
  connection.addEventListener("negotiationneeded", offer);
});

// Whoever started this is done when its end of the pipe closes.
const lines = createInterface({ input: process.stdin });
let heard = Promise.resolve();
lines.on("line", (line) => {
  heard = heard.then(() => tab.evaluate((message) => window.hear(message), JSON.parse(line)));
  heard.catch((error) => tell({ error: error.message }));
});
lines.on("close", () => browser.close().finally(() => process.exit(0)));
