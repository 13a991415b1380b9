// SPDX-License-Identifier: MPL-2.0
/** Sessions that send. */

import { describe, expect, it } from "vitest";
import { SessionState, type ClientSession, type GstWebRTCAPI, type ProducerSession } from "../src/index.js";
import { FakeTrack } from "./fakes/media.js";
import { cameraStream } from "./fakes/media.js";
import { connectedPage, record, settle } from "./fakes/page.js";
import { FakePeerConnection } from "./fakes/peer-connection.js";
import type { FakeWebSocket } from "./fakes/websocket.js";

const BOTH_ROLES = ["listener", "producer"];

function producing(options = {}): { api: GstWebRTCAPI; socket: FakeWebSocket; session: ProducerSession } {
  const { api, socket } = connectedPage();
  const session = api.createProducerSession(cameraStream(), options);
  if (!session) throw new Error("no session");
  session.start();
  socket.say({ type: "peerStatusChanged", peerId: "me", roles: BOTH_ROLES, meta: null });
  return { api, socket, session };
}

function tracksOf(session: ProducerSession): FakeTrack[] {
  return session.stream.getTracks() as unknown as FakeTrack[];
}

describe("creating", () => {
  it("needs a stream, and gives one session at a time", () => {
    const { api } = connectedPage();
    expect(api.createProducerSession({} as never)).toBeNull();
    const stream = cameraStream();
    const session = api.createProducerSession(stream);
    expect(api.createProducerSession(stream)).toBe(session);
    expect(api.createProducerSession(cameraStream())).toBeNull();
    session?.close();
    expect(api.createProducerSession(cameraStream())).not.toBeNull();
  });

  it("needs the id of a consumer that is to be invited", () => {
    expect(connectedPage().api.createProducerSessionForConsumer(cameraStream(), "")).toBeNull();
  });
});

describe("starting", () => {
  it("announces the role and streams when the server reports it", () => {
    const { api, socket } = connectedPage({ meta: { name: "cam" } });
    const session = api.createProducerSession(cameraStream());
    expect(session?.start()).toBe(true);
    expect(session?.state).toBe(SessionState.connecting);
    expect(socket.sent.at(-1)).toEqual({ type: "setPeerStatus", roles: BOTH_ROLES, meta: { name: "cam" } });
    socket.say({ type: "peerStatusChanged", peerId: "me", roles: BOTH_ROLES, meta: null });
    expect(session?.state).toBe(SessionState.streaming);
  });

  it("that cannot be sent ends the session", () => {
    const { api, socket } = connectedPage();
    const session = api.createProducerSession(cameraStream());
    const messages: string[] = [];
    session?.addEventListener("error", ({ message }) => messages.push(message));
    socket.readyState = 3;
    expect(session?.start()).toBe(false);
    expect(messages).toEqual(["cannot start producer session"]);
    expect(session?.start()).toBe(false);
  });

  it("invites a consumer once, however often the role is reported", () => {
    const { api, socket } = connectedPage();
    api.createProducerSessionForConsumer(cameraStream(), "wall")?.start();
    for (let report = 0; report < 2; report += 1) {
      socket.say({ type: "peerStatusChanged", peerId: "me", roles: BOTH_ROLES, meta: null });
    }
    expect(socket.sentOf("startSession")).toEqual([{ type: "startSession", peerId: "wall" }]);
  });
});

describe("an invitation", () => {
  it("that the server refuses is an error of the session, which goes on", () => {
    const { api, socket } = connectedPage();
    const session = api.createProducerSessionForConsumer(cameraStream(), "wall");
    const messages: string[] = [];
    session?.addEventListener("error", ({ message }) => messages.push(message));
    session?.start();
    socket.say({ type: "peerStatusChanged", peerId: "me", roles: BOTH_ROLES, meta: null });
    socket.say({ type: "error", details: "Peer with ID 'wall' not found" });
    expect(messages).toEqual(["cannot send session request to specified consumer"]);
    expect(session?.state).toBe(SessionState.streaming);
  });
});

describe("a consumer", () => {
  it("gets an offer with all tracks", async () => {
    const { socket, session } = producing();
    const added: ClientSession[] = [];
    session.addEventListener("clientConsumerAdded", ({ detail }) => added.push(detail));
    socket.say({ type: "startSession", peerId: "viewer", sessionId: "V", offer: null });
    await settle();
    expect(added.map(({ peerId, sessionId, state }) => [peerId, sessionId, state])).toEqual([["viewer", "V", 2]]);
    expect(FakePeerConnection.last.senders.map(({ track }) => track)).toEqual(tracksOf(session));
    expect(socket.sent.at(-1)).toEqual({ type: "peer", sessionId: "V", sdp: { type: "offer", sdp: "our offer" } });
    socket.say({ type: "peer", sessionId: "V", sdp: { type: "answer", sdp: "theirs" } });
    await settle();
    expect(FakePeerConnection.last.remoteDescription?.sdp).toBe("theirs");
  });

  it("that offers gets an answer", async () => {
    const { socket } = producing();
    socket.say({ type: "startSession", peerId: "viewer", sessionId: "V", offer: "their offer" });
    await settle();
    expect(socket.sent.at(-1)).toMatchObject({ sdp: { type: "answer", sdp: "answer to their offer" } });
  });

  it("is offered the preferred codecs first", () => {
    const { socket } = producing({ codecs: ["video/VP9", "h264"] });
    socket.say({ type: "startSession", peerId: "viewer", sessionId: "V", offer: null });
    expect(FakePeerConnection.last.preferences).toEqual([["video/VP9", "video/H264", "video/VP8", "video/rtx"]]);
  });

  it("is not asked to take codecs that the browser does not know", () => {
    const { socket } = producing({ codecs: ["Theora"] });
    socket.say({ type: "startSession", peerId: "viewer", sessionId: "V", offer: null });
    expect(FakePeerConnection.last.preferences).toEqual([]);
  });

  it("that fails does not end the others", async () => {
    const { socket, session } = producing();
    const messages: string[] = [];
    session.addEventListener("error", ({ message }) => messages.push(message));
    const removed = record(session, ["clientConsumerRemoved"]);
    for (const sessionId of ["V", "W"]) {
      socket.say({ type: "startSession", peerId: `viewer ${sessionId}`, sessionId, offer: null });
    }
    FakePeerConnection.failure = new Error("bad answer");
    socket.say({ type: "peer", sessionId: "V", sdp: { type: "answer", sdp: "nonsense" } });
    await settle();
    expect(messages).toEqual([
      "error from client consumer viewer V: an unrecoverable error occurred during SDP handshake",
    ]);
    expect(removed).toHaveLength(1);
    expect(session.clients.map(({ sessionId }) => sessionId)).toEqual(["W"]);
    expect(session.state).toBe(SessionState.streaming);
  });

  it("that leaves is removed", () => {
    const { socket, session } = producing();
    socket.say({ type: "startSession", peerId: "viewer", sessionId: "V", offer: null });
    socket.say({ type: "endSession", sessionId: "V" });
    expect(session.clients).toEqual([]);
    expect(FakePeerConnection.last.isClosed).toBe(true);
  });

  it("is refused when nothing is offered", () => {
    const { socket } = connectedPage();
    socket.say({ type: "startSession", peerId: "viewer", sessionId: "V", offer: null });
    expect(socket.sent.at(-1)).toEqual({ type: "endSession", sessionId: "V" });
  });

  it("beyond the limit is refused", () => {
    const { socket, session } = producing();
    for (let index = 0; index < 65; index += 1) {
      socket.say({ type: "startSession", peerId: "viewer", sessionId: `V${index}`, offer: null });
    }
    expect(session.clients).toHaveLength(64);
    expect(socket.sent.at(-1)).toEqual({ type: "endSession", sessionId: "V64" });
  });
});

describe("replacing a track", () => {
  it("reaches those who watch and those who come later", async () => {
    const { socket, session } = producing();
    socket.say({ type: "startSession", peerId: "viewer", sessionId: "V", offer: null });
    const [previous] = session.stream.getTracks();
    const next = new FakeTrack("video") as unknown as MediaStreamTrack;
    if (previous) await session.replaceTrack(previous, next);
    expect(FakePeerConnection.last.senders[0]?.track).toBe(next);
    socket.say({ type: "startSession", peerId: "later", sessionId: "W", offer: null });
    expect(FakePeerConnection.last.senders[0]?.track).toBe(next);
  });
});

describe("adding and removing a track", () => {
  const offers = (socket: FakeWebSocket): unknown[] =>
    socket.sentOf("peer").filter((message) => (message["sdp"] as { type: string } | undefined)?.type === "offer");
  const microphone = (): MediaStreamTrack => new FakeTrack("audio") as unknown as MediaStreamTrack;

  it("makes a new offer to those who watch, one at a time", async () => {
    const { socket, session } = producing();
    socket.say({ type: "startSession", peerId: "viewer", sessionId: "V", offer: null });
    await settle();
    const track = microphone();
    session.addTrack(track);
    session.addTrack(track);
    await settle();
    expect(FakePeerConnection.last.senders.map(({ track }) => track)).toEqual(tracksOf(session));
    expect(offers(socket)).toHaveLength(1);
    socket.say({ type: "peer", sessionId: "V", sdp: { type: "answer", sdp: "first" } });
    await settle();
    expect(offers(socket)).toHaveLength(2);
    socket.say({ type: "peer", sessionId: "V", sdp: { type: "answer", sdp: "second" } });
    session.removeTrack(track);
    session.removeTrack(track);
    await settle();
    expect(offers(socket)).toHaveLength(3);
    expect(FakePeerConnection.last.senders.map(({ track }) => track)).toEqual([...tracksOf(session), null]);
  });

  it("changes what those who come later are offered", async () => {
    const { socket, session } = producing();
    const [camera] = session.stream.getTracks();
    session.addTrack(microphone());
    if (camera) session.removeTrack(camera);
    socket.say({ type: "startSession", peerId: "later", sessionId: "W", offer: null });
    await settle();
    expect(FakePeerConnection.last.senders.map(({ track }) => track?.kind)).toEqual(["audio"]);
    expect(offers(socket)).toHaveLength(1);
  });

  it("does nothing after the end", () => {
    const { session } = producing();
    session.close();
    session.addTrack(microphone());
    expect(session.stream.getTracks()).toHaveLength(1);
  });
});

describe("a broken network path", () => {
  it("is looked for anew by an offer that restarts ICE", async () => {
    const { socket } = producing();
    socket.say({ type: "startSession", peerId: "viewer", sessionId: "V", offer: null });
    await settle();
    const connection = FakePeerConnection.last;
    connection.become("connected");
    connection.become("failed");
    await settle();
    expect(connection.restarts).toBe(1);
    expect(connection.offerOptions).toEqual({ iceRestart: true });
    expect(socket.sentOf("peer")).toHaveLength(2);
  });
});

describe("closing", () => {
  it("stops the tracks, gives up the role and ends all sessions without a word for each", () => {
    const { api, socket, session } = producing();
    socket.say({ type: "startSession", peerId: "viewer", sessionId: "V", offer: null });
    const events = record(session, ["clientConsumerRemoved", "stateChanged", "closed"]);
    session.close();
    session.close();
    expect(tracksOf(session).every(({ isStopped }) => isStopped)).toBe(true);
    expect(events).toEqual(["clientConsumerRemoved", "stateChanged", "closed"]);
    expect(socket.sentOf("endSession")).toEqual([]);
    expect(socket.sent.at(-1)).toMatchObject({ type: "setPeerStatus", roles: ["listener"] });
    expect(api.createProducerSession(cameraStream())).not.toBeNull();
  });

  it("leaves the tracks alone when told to", () => {
    const { session } = producing({ stopTracksOnClose: false });
    session.close();
    expect(tracksOf(session)[0]?.isStopped).toBe(false);
  });

  it("is done by a signal", () => {
    const abort = new AbortController();
    const { session } = producing({ signal: abort.signal });
    abort.abort();
    expect(session.state).toBe(SessionState.closed);
  });
});
