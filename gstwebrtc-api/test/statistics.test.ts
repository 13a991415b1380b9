// SPDX-License-Identifier: MPL-2.0
/** Figures from the browser's reports. */

import { describe, expect, it } from "vitest";
import { StatisticsSampler } from "../src/statistics.js";

function report(entries: Record<string, object>): Map<string, unknown> {
  return new Map(Object.entries(entries));
}

const inbound = {
  type: "inbound-rtp",
  kind: "video",
  codecId: "C",
  timestamp: 1000,
  bytesReceived: 1000,
  packetsReceived: 10,
  packetsLost: 0,
  frameWidth: 640,
  frameHeight: 360,
  framesPerSecond: 30,
  jitterBufferDelay: 1,
  jitterBufferEmittedCount: 10,
};
const codec = { type: "codec", mimeType: "video/VP8" };

describe("a received stream", () => {
  it("has no rates in the first sample", () => {
    const { video } = new StatisticsSampler().sample(report({ V: inbound, C: codec }));
    expect(video).toEqual({
      codec: "VP8",
      bitrate: null,
      lossRatio: null,
      bufferMs: null,
      framesPerSecond: 30,
      width: 640,
      height: 360,
    });
  });

  it("has means since the previous sample", () => {
    const sampler = new StatisticsSampler();
    sampler.sample(report({ V: inbound }));
    const later = {
      ...inbound,
      timestamp: 3000,
      bytesReceived: 251_000,
      packetsReceived: 100,
      packetsLost: 10,
      jitterBufferDelay: 4,
      jitterBufferEmittedCount: 70,
    };
    const { video } = sampler.sample(report({ V: later }));
    expect(video).toMatchObject({ bitrate: 1_000_000, lossRatio: 0.1, bufferMs: 50 });
  });

  it("of a replaced connection starts over", () => {
    const sampler = new StatisticsSampler();
    sampler.sample(report({ V: { ...inbound, bytesReceived: 9999 } }));
    expect(sampler.sample(report({ V: { ...inbound, timestamp: 2000 } })).video?.bitrate).toBeNull();
  });
});

describe("a sent stream", () => {
  it("takes its loss from the other side's report", () => {
    const sampler = new StatisticsSampler();
    const sent = { type: "outbound-rtp", kind: "video", timestamp: 0, bytesSent: 0, packetsSent: 0, remoteId: "R" };
    sampler.sample(report({ V: sent, R: { packetsLost: 0 } }));
    const later = { ...sent, timestamp: 1000, bytesSent: 1000, packetsSent: 95 };
    expect(sampler.sample(report({ V: later, R: { packetsLost: 5 } })).video).toMatchObject({
      bitrate: 8000,
      lossRatio: 0.05,
    });
  });
});

describe("a session", () => {
  it("has the round trip of the pair in use", () => {
    const { roundTripMs } = new StatisticsSampler().sample(
      report({ T: { selectedCandidatePairId: "P" }, O: { currentRoundTripTime: 9 }, P: { currentRoundTripTime: 0.02 } }),
    );
    expect(roundTripMs).toBe(20);
  });

  it("without media has none", () => {
    expect(new StatisticsSampler().sample(report({}))).toEqual({ roundTripMs: null, video: null, audio: null });
  });

  it("has the loudness of its sound", () => {
    const { audio } = new StatisticsSampler().sample(report({ A: { type: "inbound-rtp", kind: "audio", audioLevel: 0.4 } }));
    expect(audio?.level).toBe(0.4);
  });
});
