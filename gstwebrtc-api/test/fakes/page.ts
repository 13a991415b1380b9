// SPDX-License-Identifier: MPL-2.0
/** What most tests start from: a connected page, a session that plays. */

import { GstWebRTCAPI, type ConsumerSession, type GstWebRTCConfig } from "../../src/index.js";
import { FakeMediaStream } from "./media.js";
import { FakePeerConnection } from "./peer-connection.js";
import { FakeWebSocket } from "./websocket.js";

/** Lets everything that waits for promises run. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 3; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}

/** A page that is registered as `me`. */
export function connectedPage(config: GstWebRTCConfig = {}): { api: GstWebRTCAPI; socket: FakeWebSocket } {
  const api = new GstWebRTCAPI(config);
  const socket = FakeWebSocket.last.register();
  return { api, socket };
}

/** A session with the producer `cam`, whose id is `S`, before any description. */
export function startedSession(api: GstWebRTCAPI, socket: FakeWebSocket, sessionId = "S"): ConsumerSession {
  const session = api.createConsumerSession("cam");
  if (!session) throw new Error("no session");
  session.connect();
  socket.say({ type: "sessionStarted", peerId: "cam", sessionId });
  return session;
}

/** The other side sends a description. */
export function sayOffer(socket: FakeWebSocket, sdp = offerSdp(), sessionId = "S"): void {
  socket.say({ type: "peer", sessionId, sdp: { type: "offer", sdp } });
}

/** A session that plays. */
export async function playingSession(api: GstWebRTCAPI, socket: FakeWebSocket): Promise<ConsumerSession> {
  const session = startedSession(api, socket);
  sayOffer(socket);
  await settle();
  FakePeerConnection.last.receiveTrack(new FakeMediaStream());
  FakePeerConnection.last.become("connected");
  return session;
}

/** An offer with the lines that tell connections apart. */
export function offerSdp(connection = "1", certificate = "AA"): string {
  return `v=0\r\no=- ${connection} 0 IN IP4 0.0.0.0\r\na=fingerprint:sha-256 ${certificate}\r\n`;
}

/** Names of the events that `target` dispatches, in order. */
export function record(target: EventTarget, types: readonly string[]): string[] {
  const seen: string[] = [];
  for (const type of types) target.addEventListener(type, () => seen.push(type));
  return seen;
}
