// SPDX-License-Identifier: MPL-2.0
/** Sessions that receive. */

import { describe, expect, it, vi } from "vitest";
import { GstWebRTCAPI, SessionEndedError, SessionState, type SessionEnd } from "../src/index.js";
import { FakeMediaStream } from "./fakes/media.js";
import { connectedPage, offerSdp, playingSession, record, sayOffer, settle, startedSession } from "./fakes/page.js";
import { FakePeerConnection } from "./fakes/peer-connection.js";

describe("creating", () => {
  it("needs a connection and an id", () => {
    const unconnected = new GstWebRTCAPI();
    expect(unconnected.createConsumerSession("cam")).toBeNull();
    const { api } = connectedPage();
    expect(api.createConsumerSession("")).toBeNull();
    expect(api.createConsumerSession(5 as never)).toBeNull();
  });

  it("gives one session per producer until that has ended", () => {
    const { api } = connectedPage();
    const first = api.createConsumerSession("cam");
    expect(api.createConsumerSession("cam")).toBe(first);
    first?.close();
    expect(api.createConsumerSession("cam")).not.toBe(first);
  });
});

describe("connecting", () => {
  it("asks for the session, takes its id and answers the offer", async () => {
    const { api, socket } = connectedPage();
    const session = startedSession(api, socket);
    expect(session.state).toBe(SessionState.connecting);
    expect(session.sessionId).toBe("S");
    sayOffer(socket);
    await settle();
    expect(socket.sentOf("peer")).toEqual([
      { type: "peer", sessionId: "S", sdp: { type: "answer", sdp: `answer to ${offerSdp()}` } },
    ]);
    FakePeerConnection.last.gather("candidate:1");
    expect(socket.sent.at(-1)).toEqual({
      type: "peer",
      sessionId: "S",
      ice: { candidate: "candidate:1", sdpMLineIndex: 0 },
    });
  });

  it("is true while started and false after the end", () => {
    const { api } = connectedPage();
    const session = api.createConsumerSession("cam");
    expect(session?.connect()).toBe(true);
    expect(session?.connect()).toBe(true);
    session?.close();
    expect(session?.connect()).toBe(false);
  });

  it("streams with the first track and reports each stream once", async () => {
    const { api, socket } = connectedPage();
    const session = startedSession(api, socket);
    const events = record(session, ["stateChanged", "streamsChanged", "rtcPeerConnectionChanged"]);
    sayOffer(socket);
    await settle();
    const stream = new FakeMediaStream();
    FakePeerConnection.last.receiveTrack(stream);
    FakePeerConnection.last.receiveTrack(stream, "audio");
    expect(session.state).toBe(SessionState.streaming);
    expect(session.streams).toEqual([stream]);
    expect(events).toEqual(["rtcPeerConnectionChanged", "stateChanged", "streamsChanged"]);
  });

  it("forgets a stream whose tracks were taken away", async () => {
    const { api, socket } = connectedPage();
    const session = await playingSession(api, socket);
    const [stream] = session.streams as unknown as FakeMediaStream[];
    const events = record(session, ["streamsChanged"]);
    stream?.dispatchEvent(new Event("removetrack"));
    expect(session.streams).toEqual([]);
    expect(events).toEqual(["streamsChanged"]);
  });

  it("makes a stream for a track that comes without one", async () => {
    const { api, socket } = connectedPage();
    const session = startedSession(api, socket);
    sayOffer(socket);
    await settle();
    const track = FakePeerConnection.last.receiveTrack(null);
    expect(session.streams[0]?.getTracks()).toEqual([track]);
  });

  it("uses the configuration of the page", () => {
    const webrtcConfig = { iceServers: [] };
    const { api, socket } = connectedPage({ webrtcConfig });
    startedSession(api, socket);
    sayOffer(socket);
    expect(FakePeerConnection.last.configuration).toBe(webrtcConfig);
  });

  it("can be waited for", async () => {
    const { api, socket } = connectedPage();
    const session = api.createConsumerSession("cam");
    const playing = session?.play();
    socket.say({ type: "sessionStarted", peerId: "cam", sessionId: "S" });
    sayOffer(socket);
    await settle();
    FakePeerConnection.last.receiveTrack(new FakeMediaStream());
    await expect(playing).resolves.toBe(session);
  });

  it("that fails rejects with the reason", async () => {
    const { api, socket } = connectedPage();
    const playing = api.createConsumerSession("cam")?.play();
    socket.say({ type: "error", details: "Peer with ID 'cam' not found" });
    const error = await playing?.catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(SessionEndedError);
    expect((error as SessionEndedError).end.reason).toBe("refused");
  });
});

describe("candidates", () => {
  it("wait for the description", async () => {
    const { api, socket } = connectedPage();
    startedSession(api, socket);
    socket.say({ type: "peer", sessionId: "S", ice: { candidate: "early", sdpMLineIndex: 0 } });
    await settle();
    expect(FakePeerConnection.last.candidates).toEqual([]);
    sayOffer(socket);
    await settle();
    expect(FakePeerConnection.last.candidates).toMatchObject([{ candidate: "early", sdpMLineIndex: 0 }]);
  });

  it("that the browser refuses are left out", async () => {
    const { api, socket } = connectedPage();
    const session = startedSession(api, socket);
    vi.spyOn(console, "debug").mockReturnValue();
    sayOffer(socket);
    for (const candidate of ["bad", "good"]) {
      socket.say({ type: "peer", sessionId: "S", ice: { candidate, sdpMLineIndex: 0 } });
    }
    await settle();
    expect(FakePeerConnection.last.candidates).toMatchObject([{ candidate: "good" }]);
    expect(session.state).toBe(SessionState.connecting);
  });

  it("end with an empty one", async () => {
    const { api, socket } = connectedPage();
    startedSession(api, socket);
    sayOffer(socket);
    socket.say({ type: "peer", sessionId: "S", ice: { candidate: "", sdpMLineIndex: 0 } });
    await settle();
    expect(FakePeerConnection.last.candidates).toEqual([undefined]);
  });
});

describe("a later offer", () => {
  it("of the same connection is answered over it", async () => {
    const { api, socket } = connectedPage();
    await playingSession(api, socket);
    sayOffer(socket);
    await settle();
    expect(FakePeerConnection.all).toHaveLength(1);
    expect(socket.sentOf("peer")).toHaveLength(2);
  });

  it.each([
    ["another certificate", offerSdp("1", "BB")],
    ["another origin", offerSdp("2", "AA")],
  ])("with %s gets a new connection in the same session", async (_, sdp) => {
    const { api, socket } = connectedPage();
    const session = await playingSession(api, socket);
    const events = record(session, ["rtcPeerConnectionChanged", "streamsChanged", "closed"]);
    const [first] = FakePeerConnection.all;
    sayOffer(socket, sdp);
    await settle();
    expect(first?.isClosed).toBe(true);
    FakePeerConnection.last.receiveTrack(new FakeMediaStream());
    expect(session.rtcPeerConnection).toBe(FakePeerConnection.last);
    expect(events).toEqual(["rtcPeerConnectionChanged", "streamsChanged"]);
  });

  it("that cannot be applied ends the session with words", async () => {
    const { api, socket } = connectedPage();
    const session = startedSession(api, socket);
    const messages: string[] = [];
    session.addEventListener("error", ({ message }) => messages.push(message));
    FakePeerConnection.failure = new Error("bad line");
    sayOffer(socket);
    await settle();
    expect(messages).toEqual(["an unrecoverable error occurred during SDP handshake"]);
    expect(session.endReason?.reason).toBe("bad-description");
    expect(socket.sent.slice(-2).map(({ type }) => type)).toEqual(["endSessionV1_1", "endSession"]);
  });
});

describe("offering", () => {
  it("sends the offer with the request and candidates after the id", async () => {
    const { api, socket } = connectedPage();
    const options = { offerToReceiveVideo: true };
    const session = api.createConsumerSessionWithOfferOptions("cam", options);
    expect(session?.connect()).toBe(true);
    FakePeerConnection.last.gather("before");
    await settle();
    expect(FakePeerConnection.last.channels.map(({ label }) => label)).toEqual(["control"]);
    expect(FakePeerConnection.last.offerOptions).toBe(options);
    expect(socket.sent.at(-1)).toEqual({ type: "startSession", peerId: "cam", offer: "our offer" });
    socket.say({ type: "sessionStarted", peerId: "cam", sessionId: "S" });
    expect(socket.sent.at(-1)).toMatchObject({ sessionId: "S", ice: { candidate: "before" } });
    socket.say({ type: "peer", sessionId: "S", sdp: { type: "answer", sdp: "their answer" } });
    await settle();
    expect(FakePeerConnection.last.remoteDescription?.sdp).toBe("their answer");
  });

  it("with options that are none is left to the producer", () => {
    const { api, socket } = connectedPage();
    api.createConsumerSessionWithOfferOptions("cam", "text" as never)?.connect();
    expect(socket.sent.at(-1)).toEqual({ type: "startSession", peerId: "cam" });
  });
});

describe("ending", () => {
  it("by close() tells the server, then the page, in order", async () => {
    const { api, socket } = connectedPage();
    const session = await playingSession(api, socket);
    const events = record(session, ["stateChanged", "rtcPeerConnectionChanged", "closed", "error"]);
    session.close();
    session.close();
    expect(events).toEqual(["stateChanged", "rtcPeerConnectionChanged", "closed"]);
    expect(socket.sent.at(-1)).toEqual({ type: "endSession", sessionId: "S" });
    expect(session.endReason).toMatchObject({ reason: "closed", isRemote: false });
    expect(session.rtcPeerConnection).toBeNull();
    expect(FakePeerConnection.last.isClosed).toBe(true);
  });

  it("by the other side says why", async () => {
    const { api, socket } = connectedPage();
    const session = await playingSession(api, socket);
    const ends: SessionEnd[] = [];
    session.addEventListener("closed", ({ detail }) => ends.push(detail));
    const sent = socket.sent.length;
    socket.say({ type: "endSessionV1_1", sessionId: "S", error: "no-common-codec: only AV1 is offered" });
    expect(ends).toEqual([{ reason: "no-common-codec", message: "only AV1 is offered", isRemote: true }]);
    expect(socket.sent).toHaveLength(sent);
  });

  it("before the server answered ends what it starts later", () => {
    const { api, socket } = connectedPage();
    const session = api.createConsumerSession("cam");
    session?.connect();
    session?.close();
    const second = api.createConsumerSession("cam");
    second?.connect();
    socket.say({ type: "sessionStarted", peerId: "cam", sessionId: "old" });
    expect(socket.sent.at(-1)).toEqual({ type: "endSession", sessionId: "old" });
    socket.say({ type: "sessionStarted", peerId: "cam", sessionId: "new" });
    expect(second?.sessionId).toBe("new");
  });

  it("comes by itself when nothing connects in time", () => {
    const { api, socket } = connectedPage();
    const session = startedSession(api, socket);
    vi.advanceTimersByTime(20_000);
    expect(session.endReason?.reason).toBe("timeout");
    expect(socket.sentOf("endSessionV1_1")).toEqual([
      { type: "endSessionV1_1", sessionId: "S", error: "timeout: the connection took too long" },
    ]);
  });

  it("is done by a signal", async () => {
    const { api, socket } = connectedPage();
    const abort = new AbortController();
    const session = api.createConsumerSession("cam", { signal: abort.signal });
    session?.connect();
    abort.abort();
    await settle();
    expect(session?.state).toBe(SessionState.closed);
    expect(api.createConsumerSession("cam", { signal: abort.signal })?.state).toBe(SessionState.closed);
    expect(socket.sentOf("startSession")).toHaveLength(1);
  });

  it("with an error of the server reaches the session that asked", () => {
    const { api, socket } = connectedPage();
    const cam = api.createConsumerSession("cam");
    const screen = api.createConsumerSession("screen");
    cam?.connect();
    screen?.connect();
    socket.say({ type: "error", details: "Peer with ID 'screen' not found" });
    expect(screen?.endReason?.reason).toBe("refused");
    expect(cam?.state).toBe(SessionState.connecting);
  });
});

describe("playing", () => {
  it("holds back as much video as wished", async () => {
    const { api, socket } = connectedPage({ jitterBufferTarget: 80 });
    const session = await playingSession(api, socket);
    const [receiver] = FakePeerConnection.last.receivers;
    expect(receiver?.jitterBufferTarget).toBe(80);
    session.jitterBufferTarget = 0;
    expect(receiver?.jitterBufferTarget).toBe(0);
  });

  it("asks for stereo only when told to", async () => {
    const { api, socket } = connectedPage();
    const session = startedSession(api, socket);
    session.mungeStereoHack = "yes" as never;
    expect(session.mungeStereoHack).toBe(false);
    session.mungeStereoHack = true;
    vi.spyOn(FakePeerConnection.prototype, "createAnswer").mockResolvedValue({
      type: "answer",
      sdp: "a=fmtp:96 minptime=10\r\n",
    });
    sayOffer(socket, "a=fmtp:96 sprop-stereo=1\r\n");
    await settle();
    expect(socket.sent.at(-1)).toMatchObject({ sdp: { sdp: "a=fmtp:96 minptime=10;stereo=1\r\n" } });
  });

  it("gives figures", async () => {
    const { api, socket } = connectedPage();
    const session = await playingSession(api, socket);
    FakePeerConnection.last.report.set("v", { type: "inbound-rtp", kind: "video", framesPerSecond: 25 });
    expect((await session.getStatistics())?.video?.framesPerSecond).toBe(25);
    session.close();
    expect(await session.getStatistics()).toBeNull();
  });
});
