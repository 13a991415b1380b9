// SPDX-License-Identifier: MPL-2.0
/**
 * What the page tells people: states, ends and failures in plain words, figures with units. Pure.
 *
 * @module
 */

import { SessionState, type SessionEnd, type SessionEndReason, type WebRTCSession } from "../src/index.js";

/** Longest name shown: two lines of a telephone. */
const MAX_NAME = 80;

/** Longest explanation shown that comes from others. */
export const MAX_EXPLANATION = 300;

/** A text and how it should look. */
export interface Status {
  readonly text: string;
  readonly tone: "good" | "busy" | "bad" | "plain";
}

/** What of a session is told in words. */
export type SessionFacts = Pick<WebRTCSession, "state" | "connectivity" | "isAttached" | "endReason">;

/** The state of a session in a few words, and why it ended if not by the user. */
export function sessionStatus({ state, connectivity, isAttached, endReason }: SessionFacts): Status {
  const end = endReason && endText(endReason);
  if (end) return { text: end, tone: "bad" };
  if (state === SessionState.closed) return { text: "Ended", tone: "plain" };
  if (connectivity === "recovering") return { text: "Connection interrupted, waiting for it to return", tone: "busy" };
  if (state === SessionState.streaming && connectivity === "connected") {
    return { text: isAttached ? "Playing" : "Playing, without the signalling server", tone: "good" };
  }
  return { text: "Connecting", tone: "busy" };
}

const ENDS: Readonly<Record<SessionEndReason, string>> = {
  closed: "The other side ended the session.",
  "peer-gone": "The other side left.",
  timeout: "No connection came about in time. A firewall may be in the way, or the sender is overloaded.",
  stalled: "Nothing arrived any more.",
  "ice-failed": "No network path to the other side works. Both may need a TURN server to reach each other.",
  "dtls-failed": "The encrypted connection could not be made.",
  "fingerprint-mismatch": "The other side could not prove who it is.",
  "bad-description": "The two sides do not understand each other's session description.",
  "no-common-codec": "The two sides have no codec in common.",
  "signalling-lost": "The signalling server was lost before the connection stood.",
  refused: "The signalling server refused the session. The stream may have just left.",
  internal: "The other side reported a problem.",
};

/** Why a session ended, in a sentence; null if the user ended it. */
export function endText(end: SessionEnd): string | null {
  if (end.reason === "closed" && !end.isRemote) return null;
  const detail = end.reason === "internal" || end.reason === "bad-description" ? ` (${shortened(end.message, MAX_EXPLANATION)})` : "";
  return ENDS[end.reason] + detail;
}

/** Why a camera, microphone or screen could not be had. */
export function captureText(error: unknown): string {
  const name = error instanceof Error ? error.name : "";
  const known: Readonly<Record<string, string | undefined>> = {
    NotAllowedError: "The browser was not allowed to use it. Allow it next to the address bar, then try again.",
    NotFoundError: "No such device was found.",
    NotReadableError: "Another program is using the device.",
    AbortError: "The device stopped working.",
  };
  if (!navigator.mediaDevices) return "The browser gives cameras only to pages loaded with https, or from this computer.";
  return known[name] ?? `It could not be started: ${error instanceof Error ? error.message : String(error)}`;
}

/** A bitrate for people. */
export function bitrateText(bitsPerSecond: number | null): string {
  if (bitsPerSecond === null) return "–";
  return bitsPerSecond >= 1e6 ? `${(bitsPerSecond / 1e6).toFixed(2)} Mbit/s` : `${Math.round(bitsPerSecond / 1e3)} kbit/s`;
}

/** A number with a unit, or a dash. */
export function withUnit(value: number | null, unit: string, digits = 0): string {
  return value === null ? "–" : `${value.toFixed(digits)} ${unit}`;
}

/** A text of others at a length that people can read, in UTF-16 units. */
export function shortened(text: string, length: number): string {
  if (text.length <= length) return text;
  // Not in the middle of a character.
  return `${text.slice(0, length - 1).replace(/[\uD800-\uDBFF]$/, "")}…`;
}

/** What a peer calls itself, else its id. */
export function nameOf(peer: { readonly id: string; readonly meta: Readonly<Record<string, unknown>> }): string {
  const { name, "display-name": displayName } = peer.meta;
  const given = [name, displayName].find((text) => typeof text === "string" && text.trim() !== "");
  return shortened(typeof given === "string" ? given.trim() : peer.id, MAX_NAME);
}
