// SPDX-License-Identifier: MPL-2.0
/**
 * Why a session ended: the reasons, and how they travel as the text of `endSessionV1_1` (`nick: text`).
 *
 * @module
 */

/**
 * Why a session ended.
 *
 * - `closed`: one side closed it on purpose
 * - `peer-gone`: the other side left
 * - `timeout`: no connection within the time allowed
 * - `stalled`: connected, but nothing arrived any more
 * - `ice-failed`, `dtls-failed`, `fingerprint-mismatch`: the media connection could not be made, or broke
 * - `bad-description`, `no-common-codec`: the two sides could not agree
 * - `signalling-lost`: the signalling server was lost before the connection stood
 * - `refused`: the signalling server refused the session
 * - `internal`: anything else
 */
export type SessionEndReason =
  | "closed"
  | "peer-gone"
  | "timeout"
  | "stalled"
  | "ice-failed"
  | "dtls-failed"
  | "fingerprint-mismatch"
  | "bad-description"
  | "no-common-codec"
  | "signalling-lost"
  | "refused"
  | "internal";

/** The end of a session. */
export interface SessionEnd {
  /** What kind of end, for programs. */
  readonly reason: SessionEndReason;
  /** The same in words, for people. */
  readonly message: string;
  /** Whether the other side, or the server, ended it. */
  readonly isRemote: boolean;
}

/** Reads the text of a remote end. */
export function endFromWire(text: string | null): SessionEnd {
  if (text === null || text === "") {
    return { reason: "closed", message: "the other side ended the session", isRemote: true };
  }
  const [nick = "", ...words] = text.split(": ");
  const reason = NICKS.find((known) => known === nick);
  if (!reason) return { reason: "internal", message: text, isRemote: true };
  return { reason, message: words.join(": ") || nick, isRemote: true };
}

/** Writes the text of a local end; null for an ordinary one, which needs no words. */
export function endToWire({ reason, message }: SessionEnd): string | null {
  return reason === "closed" ? null : `${reason}: ${message}`;
}

/** Reasons that another side may give; the server itself gives `refused`, and in other words. */
const NICKS: readonly SessionEndReason[] = [
  "closed",
  "peer-gone",
  "timeout",
  "stalled",
  "ice-failed",
  "dtls-failed",
  "fingerprint-mismatch",
  "bad-description",
  "no-common-codec",
  "signalling-lost",
  "internal",
];
