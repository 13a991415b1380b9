// SPDX-License-Identifier: MPL-2.0
// Publishes Chromium's fake camera and microphone to a WHIP endpoint and reports what was sent.
import { WHIPClient } from "@eyevinn/whip-web-client";

const endpoint = new URLSearchParams(location.search).get("url");
const peers = [];
const Original = window.RTCPeerConnection;
window.RTCPeerConnection = class extends Original {
  constructor(...args) {
    super(...args);
    peers.push(this);
  }
};
const client = new WHIPClient({ endpoint, opts: { debug: true, authkey: "secret" } });
await client.setIceServersFromEndpoint();
const stream = await navigator.mediaDevices.getUserMedia({ video: { width: 320, height: 240 }, audio: true });
document.querySelector("video").srcObject = stream;
await client.ingest(stream);

setInterval(async () => {
  const reports = await Promise.all(peers.map((peer) => peer.getStats()));
  const sent = reports.flatMap((report) => [...report.values()]).filter((entry) => entry.type === "outbound-rtp");
  console.log(JSON.stringify({ frames: Math.max(0, ...sent.map((entry) => entry.framesSent ?? 0)) }));
}, 500);
