// SPDX-License-Identifier: MPL-2.0
/**
 * The data channel of a remote controller: `control` (numbered requests, answers, information) or `input` of older
 * producers (bare navigation events, one way).
 *
 * @module
 */

import { isRecord } from "../config.js";
import type { NavigationEvent } from "./events.js";

/** A request to the producer: an object such as `{type: "customUpstreamEvent", …}`, or the JSON text of one. */
export type ControlRequest = Readonly<Record<string, unknown>> | string;

/** The producer's answer to a request. */
export interface ControlResponse {
  readonly type: "ControlResponseMessage";
  /** Number of the request. */
  readonly id: number;
  /** What went wrong; null if nothing did. */
  readonly error: string | null;
}

/** Information from the producer, for example a time code. */
export interface ControlInformation {
  readonly type: "InfoMessage";
  /** The stream it is about. */
  readonly mid?: string | null;
  readonly info: Readonly<Record<string, unknown>>;
}

/** Moves are left out while this many bytes wait to be sent: a late position is of no use. */
const MAX_BUFFERED_BYTES = 64 * 1024;

/** Writes requests and events into a data channel. */
export class ControlChannel {
  readonly #channel: RTCDataChannel;
  #nextId = 0;

  /** @param channel - one with the label `control` or `input` */
  constructor(channel: RTCDataChannel) {
    this.#channel = channel;
  }

  /** Whether the channel is too full for what can be left out. */
  get isCongested(): boolean {
    return this.#channel.bufferedAmount > MAX_BUFFERED_BYTES;
  }

  /**
   * Sends a request.
   *
   * @param mid - the stream it is about; undefined for all
   * @returns the number of the request
   * @throws if the channel is not open or cannot carry requests
   */
  request(request: ControlRequest, mid?: string): number {
    if (this.#channel.label !== "control") throw new Error("this producer takes navigation events only");
    const id = this.#nextId;
    this.#channel.send(JSON.stringify({ id, ...(mid === undefined ? {} : { mid }), request }));
    this.#nextId += 1;
    return id;
  }

  /**
   * Sends a navigation event.
   *
   * @throws if the channel is not open
   */
  navigate(event: NavigationEvent): void {
    if (this.#channel.label === "control") this.request({ type: "navigationEvent", event });
    else this.#channel.send(JSON.stringify(event));
  }
}

/** Reads a message of the producer; null if it is not one. */
export function parseControlMessage(data: unknown): ControlResponse | ControlInformation | null {
  if (typeof data !== "string") return null;
  try {
    const value: unknown = JSON.parse(data);
    return isControlMessage(value) ? value : null;
  } catch {
    return null;
  }
}

function isControlMessage(value: unknown): value is ControlResponse | ControlInformation {
  if (!isRecord(value)) return false;
  if (value["type"] === "InfoMessage") return isRecord(value["info"]);
  return value["type"] === "ControlResponseMessage" && typeof value["id"] === "number";
}
