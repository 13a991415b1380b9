// SPDX-License-Identifier: MPL-2.0
/** What running sessions do when the signalling server is lost. */

import { describe, expect, it, vi } from "vitest";
import { SessionState } from "../src/index.js";
import { cameraStream } from "./fakes/media.js";
import { connectedPage, playingSession, settle, startedSession } from "./fakes/page.js";
import { FakePeerConnection } from "./fakes/peer-connection.js";
import { FakeWebSocket } from "./fakes/websocket.js";

describe("a session that plays", () => {
  it("goes on playing", async () => {
    const { api, socket } = connectedPage();
    const session = await playingSession(api, socket);
    socket.drop();
    vi.advanceTimersByTime(3_600_000);
    expect(session.state).toBe(SessionState.streaming);
    expect(session.isAttached).toBe(false);
    expect(FakePeerConnection.last.isClosed).toBe(false);
  });

  it("ends by its media connection, and says so", async () => {
    const { api, socket } = connectedPage();
    const session = await playingSession(api, socket);
    socket.drop();
    FakePeerConnection.last.become("disconnected");
    expect(session.connectivity).toBe("recovering");
    FakePeerConnection.last.become("failed", "failed");
    expect(session.endReason?.reason).toBe("ice-failed");
  });

  it("says nothing of its end on the next connection, where nobody knows it", async () => {
    const { api, socket } = connectedPage();
    const session = await playingSession(api, socket);
    socket.drop();
    vi.advanceTimersByTime(2500);
    const next = FakeWebSocket.last.register("me again");
    session.close();
    expect(next.sentOf("endSession")).toEqual([]);
  });

  it("does not stand in the way of a new one with the same producer", async () => {
    const { api, socket } = connectedPage();
    const session = await playingSession(api, socket);
    socket.drop();
    vi.advanceTimersByTime(2500);
    FakeWebSocket.last.register("me again");
    const second = api.createConsumerSession("cam");
    expect(second).not.toBe(session);
    session.close();
    expect(api.createConsumerSession("cam")).toBe(second);
  });
});

describe("a session that has no media yet", () => {
  it("ends and says why", () => {
    const { api, socket } = connectedPage();
    const session = startedSession(api, socket);
    socket.drop();
    expect(session.endReason?.reason).toBe("signalling-lost");
  });

  it("that was not started cannot be started any more", () => {
    const { api, socket } = connectedPage();
    const session = api.createConsumerSession("cam");
    socket.drop();
    expect(session?.connect()).toBe(false);
  });
});

describe("a producer", () => {
  it("keeps its consumers and offers its stream again", async () => {
    const { api, socket } = connectedPage();
    const session = api.createProducerSession(cameraStream());
    session?.start();
    socket.say({ type: "peerStatusChanged", peerId: "me", roles: ["listener", "producer"], meta: null });
    socket.say({ type: "startSession", peerId: "viewer", sessionId: "V", offer: null });
    await settle();
    FakePeerConnection.last.become("connected");
    socket.drop();
    expect(session?.state).toBe(SessionState.streaming);
    expect(session?.clients).toHaveLength(1);
    vi.advanceTimersByTime(2500);
    const next = FakeWebSocket.last.register("me again", ["listener", "producer"]);
    expect(next.sent[1]).toMatchObject({ type: "setPeerStatus", roles: ["listener", "producer"] });
    expect(api.isConnected).toBe(true);
  });
});
