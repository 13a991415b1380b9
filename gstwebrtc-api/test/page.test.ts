// SPDX-License-Identifier: MPL-2.0
/** What the page decides and says. */

import { describe, expect, it } from "vitest";
import { chartPoints } from "../page/chart.js";
import { signallingServers } from "../page/servers.js";
import { bitrateText, endText, nameOf, sessionStatus, shortened, withUnit } from "../page/words.js";
import { SessionState } from "../src/index.js";

describe("the signalling server", () => {
  it.each([
    ["https://localhost:9090/", ["wss://localhost:9090/webrtc", "wss://localhost:8443"]],
    ["http://10.0.0.5:8080/page/", ["ws://10.0.0.5:8080/webrtc", "ws://10.0.0.5:8443"]],
    ["http://[::1]:8080/", ["ws://[::1]:8080/webrtc", "ws://[::1]:8443"]],
    ["https://example.org/?signalling=wss://other:1", ["wss://other:1"]],
    ["file:///tmp/index.html", ["ws://127.0.0.1:8443"]],
  ])("of %s", (page, servers) => {
    expect(signallingServers(new URL(page))).toEqual(servers);
  });
});

describe("words", () => {
  const playing = { state: SessionState.streaming, connectivity: "connected", isAttached: true, endReason: null } as const;

  it("tell the state of a session", () => {
    expect(sessionStatus({ ...playing, connectivity: "connecting" }).text).toBe("Connecting");
    expect(sessionStatus(playing)).toEqual({ text: "Playing", tone: "good" });
    expect(sessionStatus({ ...playing, isAttached: false }).text).toContain("without the signalling server");
    expect(sessionStatus({ ...playing, connectivity: "recovering" }).tone).toBe("busy");
    expect(sessionStatus({ ...playing, state: SessionState.closed }).text).toBe("Ended");
    const endReason = { reason: "peer-gone", message: "", isRemote: true } as const;
    expect(sessionStatus({ ...playing, state: SessionState.closed, endReason }).text).toBe("The other side left.");
  });

  it("tell why a session ended, unless the user ended it", () => {
    expect(endText({ reason: "closed", message: "", isRemote: false })).toBeNull();
    expect(endText({ reason: "ice-failed", message: "", isRemote: false })).toContain("TURN");
    expect(endText({ reason: "internal", message: "out of encoders", isRemote: true })).toContain("out of encoders");
  });

  it("give figures units", () => {
    expect(bitrateText(null)).toBe("–");
    expect(bitrateText(512_400)).toBe("512 kbit/s");
    expect(bitrateText(2_345_678)).toBe("2.35 Mbit/s");
    expect(withUnit(1.26, "%", 1)).toBe("1.3 %");
  });

  it("name a peer by what it calls itself, else by its id", () => {
    expect(nameOf({ id: "x", meta: { name: "Door" } })).toBe("Door");
    expect(nameOf({ id: "x", meta: { name: " " } })).toBe("x");
    expect(nameOf({ id: "x", meta: { name: 5 } })).toBe("x");
    expect(nameOf({ id: "x", meta: { name: "Door".repeat(100) } })).toHaveLength(80);
  });

  it("of others are cut at a readable length, between characters", () => {
    expect(shortened("Door", 4)).toBe("Door");
    expect(shortened("Front door", 6)).toBe("Front…");
    expect(shortened("🚪🚪🚪", 4)).toBe("🚪…");
  });
});

describe("a chart", () => {
  it("ends at the right edge, and its largest value is near the top", () => {
    const points = chartPoints([0, 50, 100], 10).split(" ");
    expect(points.at(-1)).toBe("120.0,2.0");
    expect(points[0]?.endsWith(",31.0")).toBe(true);
  });

  it("does not magnify what stays below its floor", () => {
    expect(chartPoints([1], 100)).toBe("120.0,30.7");
  });

  it("of nothing is nothing", () => {
    expect(chartPoints([], 1)).toBe("");
  });
});
