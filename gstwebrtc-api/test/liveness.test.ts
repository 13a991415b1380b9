// SPDX-License-Identifier: MPL-2.0
/** The machine that says whether a media connection lives. */

import { describe, expect, it } from "vitest";
import { Liveness, type LivenessAction, type LivenessInput } from "../src/session/liveness.js";

type Step = readonly [now: number, input: LivenessInput, isAttached?: boolean];

function run(steps: readonly Step[], connectTimeoutMs = 20_000): { live: Liveness; actions: LivenessAction[] } {
  const live = new Liveness(connectTimeoutMs);
  const actions = steps.flatMap(([now, input, isAttached = true]) => live.handle(now, input, isAttached) ?? []);
  return { live, actions };
}

const UP: readonly Step[] = [
  [0, "started"],
  [100, "connected"],
];

describe("connecting", () => {
  it("has a deadline, and none once connected", () => {
    expect(run([[5, "started"]]).live.deadline).toBe(20_005);
    expect(run(UP).live.deadline).toBe(Infinity);
    expect(run([[5, "started"]], 0).live.deadline).toBe(Infinity);
  });

  it.each<[LivenessInput, number, string]>([
    ["tick", 20_000, "timeout"],
    ["failed", 10, "ice-failed"],
    ["dtls-failed", 10, "dtls-failed"],
    ["peer-closed", 10, "peer-gone"],
  ])("ends at %s", (input, now, reason) => {
    const { live, actions } = run([
      [0, "started"],
      [now, input],
    ]);
    expect(actions).toMatchObject([{ kind: "end", reason }]);
    expect(live.connectivity).toBe("ended");
  });

  it("does not end at a tick that comes early", () => {
    expect(
      run([
        [0, "started"],
        [19_999, "tick"],
      ]).actions,
    ).toEqual([]);
  });
});

describe("a gap", () => {
  it("that heals leaves nothing behind", () => {
    const { live, actions } = run([...UP, [200, "disconnected"], [900, "connected"]]);
    expect(actions).toEqual([]);
    expect(live.connectivity).toBe("connected");
    expect(live.deadline).toBe(Infinity);
  });

  it("asks for a restart after two seconds, and again every eight", () => {
    const { actions } = run([
      ...UP,
      [1000, "disconnected"],
      [2999, "tick"],
      [3000, "tick"],
      [4000, "tick"],
      [11_000, "tick"],
    ]);
    expect(actions).toEqual([{ kind: "restart-ice" }, { kind: "restart-ice" }]);
  });

  it("ends after thirty seconds", () => {
    const { actions } = run([...UP, [1000, "disconnected"], [31_000, "tick"]]);
    expect(actions).toMatchObject([{ kind: "end", reason: "ice-failed" }]);
  });

  it("asks for no restart without a signalling server, and ends when the browser gives up", () => {
    const { actions } = run([...UP, [0, "disconnected", false], [2000, "tick", false], [9000, "failed", false]]);
    expect(actions).toMatchObject([{ kind: "end", reason: "ice-failed" }]);
  });
});

describe("a peer that closes its transport", () => {
  it("is given time to say why over the signalling server", () => {
    const { live, actions } = run([...UP, [500, "peer-closed"]]);
    expect(actions).toEqual([]);
    expect(live.deadline).toBe(2500);
    expect(live.handle(2500, "tick", true)).toMatchObject({ kind: "end", reason: "peer-gone" });
  });

  it("ends the session at once when there is no signalling server", () => {
    expect(run([...UP, [500, "peer-closed", false]]).actions).toMatchObject([{ kind: "end", reason: "peer-gone" }]);
  });
});

describe("the end", () => {
  it("is final", () => {
    const { live } = run([...UP, [1, "dtls-failed"]]);
    for (const input of ["connected", "failed", "tick", "started"] as const) {
      expect(live.handle(9e9, input, true)).toBeNull();
    }
  });
});
