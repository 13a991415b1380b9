// SPDX-License-Identifier: MPL-2.0
/** Reading the wire: messages, peers, ends, descriptions; and how long to wait. */

import { describe, expect, it } from "vitest";
import { DEFAULT_CONFIG, resolveConfig } from "../src/config.js";
import { endFromWire, endToWire } from "../src/session/end.js";
import { isFromAnotherConnection, mungeStereo } from "../src/session/sdp.js";
import { Backoff } from "../src/signalling/backoff.js";
import { parseServerMessage } from "../src/signalling/messages.js";
import { PeerRegistry } from "../src/signalling/peers.js";
import { offerSdp } from "./fakes/page.js";

describe("server messages", () => {
  it.each([
    [{ type: "welcome", peerId: "P" }, { type: "welcome", peerId: "P" }],
    [
      { type: "peerStatusChanged", roles: ["producer", 5], meta: { a: 1 }, peerId: "P" },
      { type: "peerStatusChanged", roles: ["producer"], meta: { a: 1 }, peerId: "P" },
    ],
    [
      { type: "list", producers: [{ id: "P", meta: null }, { meta: 1 }, null] },
      { type: "list", producers: [{ id: "P", meta: null }] },
    ],
    [
      { type: "startSession", peerId: "P", sessionId: "S" },
      { type: "startSession", peerId: "P", sessionId: "S", offer: null },
    ],
    [
      { type: "peer", sessionId: "S", sdp: { type: "answer", sdp: "v=0" }, ice: { candidate: "c" } },
      { type: "peer", sessionId: "S", content: { sdp: { type: "answer", sdp: "v=0" } } },
    ],
    [
      { type: "peer", sessionId: "S", ice: { candidate: "c", sdpMLineIndex: 1, extra: true } },
      { type: "peer", sessionId: "S", content: { ice: { candidate: "c", sdpMLineIndex: 1, sdpMid: null } } },
    ],
    [
      { type: "endSession", sessionId: "S" },
      { type: "endSession", sessionId: "S", error: null, isVersion11: false },
    ],
    [
      { type: "endSessionV1_1", sessionId: "S", error: "why" },
      { type: "endSession", sessionId: "S", error: "why", isVersion11: true },
    ],
    [{ type: "error" }, { type: "error", details: "unknown error" }],
  ])("%j is read", (wire, message) => {
    expect(parseServerMessage(JSON.stringify(wire))).toEqual(message);
  });

  it.each([
    { type: "peer", sessionId: "S", sdp: { type: "rollback", sdp: "" } },
    { type: "peer", sessionId: "S" },
    { type: "peer", sdp: { type: "offer", sdp: "" } },
    { type: "list", producers: "all" },
    { type: "startSession", peerId: "" },
    { type: "toString" },
    { type: 1 },
  ])("%j is refused", (wire) => {
    expect(parseServerMessage(JSON.stringify(wire))).toBeNull();
  });

  it("that are no text are refused", () => {
    expect(parseServerMessage(new ArrayBuffer(4))).toBeNull();
  });
});

describe("peers", () => {
  it("change only as much as they differ", () => {
    const peers = new PeerRegistry();
    peers.listed("producer", [{ id: "a", meta: null }, { id: "b", meta: null }]);
    const changes = peers.listed("producer", [{ id: "b", meta: { name: "new" } }, { id: "c", meta: null }]);
    expect(changes.map(({ isPresent, peer }) => `${isPresent ? "+" : "-"}${peer.id}`)).toEqual(["-a", "+c"]);
    expect(peers.find("producer", "b")?.meta).toEqual({ name: "new" });
  });

  it("are reported once per role", () => {
    const peers = new PeerRegistry();
    expect(peers.statusChanged("a", ["producer", "listener"], null)).toHaveLength(1);
    expect(peers.statusChanged("a", ["producer"], null)).toEqual([]);
    expect(peers.statusChanged("a", ["consumer"], null).map(({ role, isPresent }) => [role, isPresent])).toEqual([
      ["producer", false],
      ["consumer", true],
    ]);
    expect(peers.clear()).toHaveLength(1);
  });

  it("and their meta are frozen", () => {
    const [change] = new PeerRegistry().statusChanged("a", ["producer"], { name: "x" });
    expect(Object.isFrozen(change?.peer)).toBe(true);
    expect(Object.isFrozen(change?.peer.meta)).toBe(true);
  });
});

describe("the text of an end", () => {
  it.each([
    [null, "closed", "the other side ended the session"],
    ["", "closed", "the other side ended the session"],
    ["ice-failed: no route: none", "ice-failed", "no route: none"],
    ["stalled", "stalled", "stalled"],
    ["Something went wrong: badly", "internal", "Something went wrong: badly"],
  ])("%j is %s", (wire, reason, message) => {
    expect(endFromWire(wire)).toEqual({ reason, message, isRemote: true });
  });

  it("is written as it is read", () => {
    const end = { reason: "timeout", message: "too slow", isRemote: false } as const;
    expect(endFromWire(endToWire(end))).toEqual({ ...end, isRemote: true });
    expect(endToWire({ reason: "closed", message: "bye", isRemote: false })).toBeNull();
  });
});

describe("descriptions", () => {
  it.each([
    [offerSdp("1", "AA"), offerSdp("1", "AA").replace(" 0 IN", " 1 IN"), false],
    [offerSdp("1", "AA"), offerSdp("2", "AA"), true],
    [offerSdp("1", "AA"), offerSdp("1", "BB"), true],
    ["", "", false],
  ])("tell whose connection they are of", (previous, next, isOther) => {
    expect(isFromAnotherConnection(previous, next)).toBe(isOther);
  });

  it("get stereo where the offer has it, by whole format numbers", () => {
    const offer = "a=fmtp:96 minptime=10;sprop-stereo=1\r\na=fmtp:9 sprop-stereo=0\r\n";
    const answer = "a=fmtp:9 x=1\r\na=fmtp:96 useinbandfec=1\r\na=fmtp:97 y=1\r\n";
    expect(mungeStereo(offer, answer)).toBe("a=fmtp:9 x=1\r\na=fmtp:96 useinbandfec=1;stereo=1\r\na=fmtp:97 y=1\r\n");
  });

  it("keep what they say of stereo themselves", () => {
    const answer = "a=fmtp:96 stereo=0\r\n";
    expect(mungeStereo("a=fmtp:96 sprop-stereo=1\r\n", answer)).toBe(answer);
  });
});

describe("waiting to reconnect", () => {
  it("grows to its limit and starts over", () => {
    const backoff = new Backoff(1000, 4000, () => 0.5);
    expect([1, 2, 3, 4, 5].map(() => backoff.next())).toEqual([1000, 1700, 2890, 4000, 4000]);
    backoff.reset();
    expect(backoff.next()).toBe(1000);
  });

  it("is spread, but never beyond the limit", () => {
    for (const random of [0, 0.999]) {
      const backoff = new Backoff(1000, 4000, () => random);
      backoff.next();
      const wait = backoff.next() ?? 0;
      expect(wait).toBeGreaterThanOrEqual(1360);
      expect(wait).toBeLessThanOrEqual(2040);
    }
  });

  it("does not happen with nothing to wait", () => {
    expect(new Backoff(0, 4000).next()).toBeNull();
    expect(new Backoff(-1, 4000).next()).toBeNull();
  });
});

describe("the configuration", () => {
  it("has the documented defaults", () => {
    expect(resolveConfig()).toMatchObject({
      meta: null,
      signalingServerUrls: ["ws://127.0.0.1:8443"],
      reconnectionTimeout: 2500,
      webrtcConfig: {
        iceServers: [{ urls: ["stun:stun.l.google.com:19302", "stun:stun1.l.google.com:19302"] }],
        bundlePolicy: "max-bundle",
      },
    });
  });

  it("is merged one level deep", () => {
    const webrtcConfig = { iceTransportPolicy: "relay" } as const;
    const config = resolveConfig({ webrtcConfig, reconnectionTimeout: 0, meta: undefined });
    expect(config.webrtcConfig).toBe(webrtcConfig);
    expect(config.reconnectionTimeout).toBe(0);
    expect(config.connectTimeout).toBe(DEFAULT_CONFIG.connectTimeout);
  });

  it.each([[[1]], ["text"], [5]])("takes %j for no meta", (meta) => {
    expect(resolveConfig({ meta: meta as never }).meta).toBeNull();
  });
});
