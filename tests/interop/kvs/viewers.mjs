// SPDX-License-Identifier: MPL-2.0
// Pages in Chromium that watch a channel by the vendor's library.
//
//   node viewers.mjs CHANNEL-AS-JSON
//
// Each line of the input is the client id of a page to open; each line of the output says how many frames one has
// decoded so far. A page whose id begins with `talks` offers its camera, its microphone and a data channel as well, as
// the vendor's own example does. Ends with its input.
import process from "node:process";
import { createInterface } from "node:readline";

import { chromium } from "playwright-core";

import { CHROMIUM_FLAGS, chromiumPath } from "../../../gstwebrtc-api/e2e/support/chromium.mjs";
import { librarySource } from "./library.mjs";

const channel = JSON.parse(process.argv[2]);
// A secure context, which the library's signer needs.
const PAGE = "http://localhost/";

/** Runs in the page. */
async function watch(options) {
  const client = new KVSWebRTC.SignalingClient({ ...options, role: KVSWebRTC.Role.VIEWER });
  const connection = new RTCPeerConnection();
  if (options.clientId.startsWith("talks")) {
    const stream = await navigator.mediaDevices.getUserMedia({ video: true, audio: true });
    for (const track of stream.getTracks()) connection.addTrack(track, stream);
    connection.createDataChannel("kvsDataChannel");
  } else {
    connection.addTransceiver("video", { direction: "recvonly" });
  }
  connection.ontrack = ({ streams, track }) => {
    const video = document.body.appendChild(document.createElement("video"));
    Object.assign(video, { muted: true, autoplay: true, srcObject: streams[0] ?? new MediaStream([track]) });
  };
  connection.onicecandidate = ({ candidate }) => candidate && client.sendIceCandidate(candidate);
  client.on("open", async () => {
    await connection.setLocalDescription();
    client.sendSdpOffer(connection.localDescription);
  });
  client.on("sdpAnswer", (answer) => connection.setRemoteDescription(answer));
  client.on("iceCandidate", (candidate) => connection.addIceCandidate(candidate));
  client.on("error", (error) => console.error("signalling:", error.message ?? error.type));
  client.open();
  globalThis.frames = async () => {
    const reports = [...(await connection.getStats()).values()];
    return reports.find(({ type, kind }) => type === "inbound-rtp" && kind === "video")?.framesDecoded ?? 0;
  };
}

const browser = await chromium.launch({ executablePath: chromiumPath, args: CHROMIUM_FLAGS });
const context = await browser.newContext({ ignoreHTTPSErrors: true });
await context.route(PAGE, (route) => route.fulfill({ contentType: "text/html", body: "<!doctype html><body></body>" }));

async function open(clientId) {
  const page = await context.newPage();
  page.on("console", (message) => console.error(`${clientId}: ${message.text()}`));
  await page.goto(PAGE);
  await page.addScriptTag({ content: librarySource });
  await page.evaluate(watch, { ...channel, clientId });
  const report = async () => {
    const frames = await page.evaluate(() => globalThis.frames());
    process.stdout.write(`${JSON.stringify({ viewer: clientId, frames })}\n`);
  };
  return setInterval(() => report().catch(() => undefined), 250);
}

const timers = [];
for await (const clientId of createInterface({ input: process.stdin })) timers.push(await open(clientId));
for (const timer of timers) clearInterval(timer);
await browser.close();
