// SPDX-License-Identifier: MPL-2.0
// A master and viewers made of the vendor's SignalingClient exchange everything it can send.
//
//   node pair.mjs CHANNEL-AS-JSON
import assert from "node:assert/strict";
import { once } from "node:events";
import process from "node:process";

import WebSocket from "ws";

import { loadLibrary } from "./library.mjs";

const channel = JSON.parse(process.argv[2]);
const { Role, SignalingClient } = loadLibrary(WebSocket);

const connect = async (options) => {
  const client = new SignalingClient({ ...channel, ...options });
  const opened = once(client, "open");
  client.open();
  await opened;
  return client;
};

const deadline = setTimeout(() => {
  console.error("not done in time");
  process.exit(1);
}, 50_000);

const master = await connect({ role: Role.MASTER });
const viewer = await connect({ role: Role.VIEWER, clientId: "viewer-1" });
const other = await connect({ role: Role.VIEWER, clientId: "viewer-2" });

// A candidate that overtakes its offer is held by the client; the service passes on what comes as it comes.
let arrived = Promise.all([once(master, "sdpOffer"), once(master, "iceCandidate")]);
viewer.sendIceCandidate({ candidate: "candidate:1", sdpMid: "0", sdpMLineIndex: 0 });
viewer.sendSdpOffer({ type: "offer", sdp: "v=0" });
const [offer, candidate] = await arrived;
assert.deepEqual(offer, [{ type: "offer", sdp: "v=0" }, "viewer-1"]);
assert.deepEqual(candidate, [{ candidate: "candidate:1", sdpMid: "0", sdpMLineIndex: 0 }, "viewer-1"]);

other.on("sdpAnswer", () => assert.fail("that was for the other viewer"));
arrived = Promise.all([once(viewer, "sdpAnswer"), once(viewer, "iceCandidate")]);
master.sendSdpAnswer({ type: "answer", sdp: "v=0" }, "viewer-1");
master.sendIceCandidate({ candidate: "candidate:2", sdpMid: "0", sdpMLineIndex: 0 }, "viewer-1");
const [answer, reply] = await arrived;
assert.deepEqual(answer[0], { type: "answer", sdp: "v=0" });
assert.equal(reply[0].candidate, "candidate:2");

const told = once(master, "statusResponse");
master.sendSdpAnswer({ type: "answer", sdp: "v=0" }, "nobody", "c1");
const [status] = await told;
assert.equal(status.correlationId, "c1");
assert.equal(status.success, false);

// The newer of two masters stays.
const replaced = once(master, "close");
const successor = await connect({ role: Role.MASTER });
await replaced;

// A signature by another secret is refused.
const forger = new SignalingClient({
  ...channel,
  role: Role.MASTER,
  credentials: { ...channel.credentials, secretAccessKey: "wrong" },
});
const refused = once(forger, "error");
forger.on("open", () => assert.fail("a forged signature is accepted"));
forger.open();
assert.match((await refused)[0].message, /403/);

for (const client of [successor, viewer, other]) client.close();
clearTimeout(deadline);
