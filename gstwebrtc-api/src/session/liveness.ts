// SPDX-License-Identifier: MPL-2.0
/**
 * Whether the media connection of a session lives: a pure machine over what the browser reports and the time.
 *
 * ```text
 * waiting → connecting → connected ⇄ recovering → ended
 * ```
 *
 * @module
 */

import type { SessionEndReason } from "./end.js";

/** How a session's media connection fares. */
export type Connectivity = "waiting" | "connecting" | "connected" | "recovering" | "ended";

/** What happened; `tick` means that the deadline has come. */
export type LivenessInput =
  | "started"
  | "connected"
  | "disconnected"
  | "failed"
  | "dtls-failed"
  | "peer-closed"
  | "tick";

/** What to do now. */
export type LivenessAction =
  | { readonly kind: "restart-ice" }
  | { readonly kind: "end"; readonly reason: SessionEndReason; readonly message: string };

type State =
  | { readonly kind: "waiting" | "connected" | "ended" }
  | { readonly kind: "connecting"; readonly endAt: number }
  | { readonly kind: "recovering"; readonly endAt: number; readonly restartAt: number; readonly isLeaving: boolean };

/** A peer that does not answer connectivity checks for this long has withdrawn its consent (RFC 7675, 5.1). */
const RECOVERY_MS = 30_000;

/** A short gap heals by itself; browsers report `disconnected` some 5 s after the last answered check. */
const RESTART_AFTER_MS = 2_000;

/** A restart that has not worked after this long is tried again. */
const RESTART_INTERVAL_MS = 8_000;

/** The peer closed its transport; the word that says why travels over the server and may arrive a bit later. */
const LEAVE_MS = 2_000;

/** Follows one session. */
export class Liveness {
  readonly #connectTimeoutMs: number;
  #state: State = { kind: "waiting" };

  /** @param connectTimeoutMs - time from `started` to `connected`; 0 for no limit */
  constructor(connectTimeoutMs: number) {
    this.#connectTimeoutMs = connectTimeoutMs;
  }

  /** The state, for people. */
  get connectivity(): Connectivity {
    return this.#state.kind;
  }

  /** When `tick` is due; infinite if never. */
  get deadline(): number {
    const state = this.#state;
    if (state.kind === "connecting") return state.endAt;
    if (state.kind === "recovering") return Math.min(state.endAt, state.restartAt);
    return Infinity;
  }

  /**
   * @param now - milliseconds of any steady clock
   * @param input - what happened
   * @param isAttached - whether the other side can still be reached over the signalling server
   */
  handle(now: number, input: LivenessInput, isAttached: boolean): LivenessAction | null {
    const state = this.#state;
    if (state.kind === "ended") return null;
    if (input === "dtls-failed") return this.#end("dtls-failed", "the encrypted connection could not be made");
    switch (state.kind) {
      case "waiting":
        return this.#whileWaiting(now, input);
      case "connecting":
        return this.#whileConnecting(now, input, state.endAt);
      case "connected":
        return this.#whileConnected(now, input, isAttached);
      case "recovering":
        return this.#whileRecovering(now, input, isAttached, state);
    }
  }

  #whileWaiting(now: number, input: LivenessInput): null {
    if (input === "started") {
      this.#state = { kind: "connecting", endAt: this.#connectTimeoutMs > 0 ? now + this.#connectTimeoutMs : Infinity };
    }
    return null;
  }

  #whileConnecting(now: number, input: LivenessInput, endAt: number): LivenessAction | null {
    if (input === "connected") this.#state = { kind: "connected" };
    if (input === "failed") return this.#end("ice-failed", "no network path to the other side was found");
    if (input === "peer-closed") return this.#end("peer-gone", "the other side closed the connection");
    if (input === "tick" && now >= endAt) return this.#end("timeout", "the connection took too long");
    return null;
  }

  #whileConnected(now: number, input: LivenessInput, isAttached: boolean): LivenessAction | null {
    if (input === "peer-closed" && !isAttached) {
      return this.#end("peer-gone", "the other side closed the connection");
    }
    if (input === "peer-closed") {
      this.#state = { kind: "recovering", endAt: now + LEAVE_MS, restartAt: Infinity, isLeaving: true };
    }
    if (input === "disconnected" || input === "failed") {
      const restartAt = now + (input === "failed" ? RESTART_INTERVAL_MS : RESTART_AFTER_MS);
      this.#state = { kind: "recovering", endAt: now + RECOVERY_MS, restartAt, isLeaving: false };
    }
    return input === "failed" ? this.#restartOrEnd(isAttached) : null;
  }

  #whileRecovering(
    now: number,
    input: LivenessInput,
    isAttached: boolean,
    state: State & { kind: "recovering" },
  ): LivenessAction | null {
    if (input === "connected" && !state.isLeaving) this.#state = { kind: "connected" };
    if (input === "failed") return this.#restartOrEnd(isAttached);
    if (input !== "tick") return null;
    if (now >= state.endAt) {
      return state.isLeaving
        ? this.#end("peer-gone", "the other side closed the connection")
        : this.#end("ice-failed", "the network path to the other side was lost");
    }
    if (now < state.restartAt) return null;
    this.#state = { ...state, restartAt: now + RESTART_INTERVAL_MS };
    return isAttached ? { kind: "restart-ice" } : null;
  }

  /** A failed connection can only be mended with the help of the signalling server. */
  #restartOrEnd(isAttached: boolean): LivenessAction {
    return isAttached
      ? { kind: "restart-ice" }
      : this.#end("ice-failed", "the network path to the other side was lost");
  }

  #end(reason: SessionEndReason, message: string): LivenessAction {
    this.#state = { kind: "ended" };
    return { kind: "end", reason, message };
  }
}
