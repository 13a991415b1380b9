// SPDX-License-Identifier: MPL-2.0
/**
 * Messages of the signalling protocol, and the guard that lets them in. Mirrors the crate in `protocol/`.
 *
 * @module
 */

import { isRecord } from "../config.js";

/** What a peer can be for others. */
export type PeerRole = "listener" | "producer" | "consumer";

/** A session description as it travels. */
export interface WireDescription {
  readonly type: "offer" | "answer";
  readonly sdp: string;
}

/** A candidate as it travels; the server passes on these two fields and no other. */
export interface WireCandidate {
  readonly candidate: string;
  readonly sdpMLineIndex?: number | null;
  readonly sdpMid?: string | null;
}

/** What two peers say to each other within a session. */
export type PeerMessage = { readonly sdp: WireDescription } | { readonly ice: WireCandidate };

/** From this page to the server. */
export type ClientMessage =
  | { type: "setProtocolVersion"; version: "v1_1" }
  | { type: "setPeerStatus"; roles: readonly PeerRole[]; meta: Record<string, unknown> | null }
  | { type: "startSession"; peerId: string; offer?: string }
  | ({ type: "peer"; sessionId: string } & PeerMessage)
  | { type: "endSession"; sessionId: string }
  | { type: "endSessionV1_1"; sessionId: string; error: string }
  | { type: "list" }
  | { type: "listConsumers" };

/** An entry of a `list` or `listConsumers` reply. */
export interface ListedPeer {
  readonly id: string;
  readonly meta: unknown;
}

/** From the server to this page. */
export type ServerMessage =
  | { type: "welcome"; peerId: string }
  | { type: "peerStatusChanged"; peerId: string; roles: readonly string[]; meta: unknown }
  | { type: "list"; producers: readonly ListedPeer[] }
  | { type: "listConsumers"; consumers: readonly ListedPeer[] }
  | { type: "sessionStarted"; peerId: string; sessionId: string }
  | { type: "startSession"; peerId: string; sessionId: string; offer: string | null }
  | { type: "peer"; sessionId: string; content: PeerMessage }
  | { type: "endSession"; sessionId: string; error: string | null; isVersion11: boolean }
  | { type: "error"; details: string };

/** Reads one websocket text; null if it is not a message of this protocol. */
export function parseServerMessage(data: unknown): ServerMessage | null {
  if (typeof data !== "string") return null;
  try {
    const value: unknown = JSON.parse(data);
    if (!isRecord(value) || typeof value["type"] !== "string") return null;
    return READERS.get(value["type"])?.(value) ?? null;
  } catch {
    return null;
  }
}

type Fields = Record<string, unknown>;

type Reader = (fields: Fields) => ServerMessage | null;

// A map, since an object would also find names such as `constructor`.
const READERS: ReadonlyMap<string, Reader> = new Map(
  Object.entries<Reader>({
    welcome: ({ peerId }) => (isId(peerId) ? { type: "welcome", peerId } : null),
    peerStatusChanged: ({ peerId, roles, meta }) =>
      isId(peerId) && Array.isArray(roles)
        ? { type: "peerStatusChanged", peerId, roles: roles.filter((role) => typeof role === "string"), meta }
        : null,
    list: ({ producers }) => (Array.isArray(producers) ? { type: "list", producers: listed(producers) } : null),
    listConsumers: ({ consumers }) =>
      Array.isArray(consumers) ? { type: "listConsumers", consumers: listed(consumers) } : null,
    sessionStarted: ({ peerId, sessionId }) =>
      isId(peerId) && isId(sessionId) ? { type: "sessionStarted", peerId, sessionId } : null,
    startSession: ({ peerId, sessionId, offer }) =>
      isId(peerId) && isId(sessionId) ? { type: "startSession", peerId, sessionId, offer: textOrNull(offer) } : null,
    peer: readPeer,
    endSession: ({ sessionId }) =>
      isId(sessionId) ? { type: "endSession", sessionId, error: null, isVersion11: false } : null,
    endSessionV1_1: ({ sessionId, error }) =>
      isId(sessionId) ? { type: "endSession", sessionId, error: textOrNull(error), isVersion11: true } : null,
    error: ({ details }) => ({ type: "error", details: typeof details === "string" ? details : "unknown error" }),
  }),
);

function readPeer({ sessionId, sdp, ice }: Fields): ServerMessage | null {
  if (!isId(sessionId)) return null;
  if (isRecord(sdp)) {
    const { type, sdp: text } = sdp;
    if ((type !== "offer" && type !== "answer") || typeof text !== "string") return null;
    return { type: "peer", sessionId, content: { sdp: { type, sdp: text } } };
  }
  if (!isRecord(ice) || typeof ice["candidate"] !== "string") return null;
  const { candidate, sdpMLineIndex, sdpMid } = ice;
  const line = typeof sdpMLineIndex === "number" ? sdpMLineIndex : null;
  return {
    type: "peer",
    sessionId,
    content: { ice: { candidate, sdpMLineIndex: line, sdpMid: textOrNull(sdpMid) } },
  };
}

function listed(entries: readonly unknown[]): ListedPeer[] {
  return entries.filter(isRecord).flatMap(({ id, meta }) => (isId(id) ? [{ id, meta }] : []));
}

function isId(value: unknown): value is string {
  return typeof value === "string" && value !== "";
}

function textOrNull(value: unknown): string | null {
  return typeof value === "string" ? value : null;
}
