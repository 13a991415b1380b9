// SPDX-License-Identifier: MPL-2.0
/**
 * Listener objects as the API takes them: plain objects with callback functions.
 *
 * @module
 */

import type { Peer } from "./signalling/peers.js";

/** Hears of the connection to the signalling server. */
export interface ConnectionListener {
  /** The page is registered with the server. */
  connected(clientId: string): void;
  /** The connection was lost. */
  disconnected(): void;
}

/** Hears of other peers; at least one function is needed. */
export interface PeerListener {
  /** A producer appeared. */
  producerAdded?(producer: Peer): void;
  /** A producer left. */
  producerRemoved?(producer: Peer): void;
  /** A passive consumer, which waits to be sent something, appeared. */
  consumerAdded?(consumer: Peer): void;
  /** A passive consumer left. */
  consumerRemoved?(consumer: Peer): void;
}

/** Names of the callbacks of a {@link PeerListener}. */
export const PEER_CALLBACKS = ["producerAdded", "producerRemoved", "consumerAdded", "consumerRemoved"] as const;

/** A set of listener objects. */
export class Listeners<T extends object> {
  readonly #all = new Set<T>();

  /** Adds a listener; twice is as good as once. */
  add(listener: T): void {
    this.#all.add(listener);
  }

  /** Removes a listener; false if it was not there. */
  remove(listener: T): boolean {
    return this.#all.delete(listener);
  }

  /** Removes all listeners. */
  clear(): void {
    this.#all.clear();
  }

  /** Calls every listener; one that throws does not keep the others from being called. */
  call(notify: (listener: T) => void): void {
    for (const listener of [...this.#all]) {
      try {
        notify(listener);
      } catch (error) {
        console.error("a listener threw an error", error);
      }
    }
  }
}

/** Whether `value` is an object in which at least `count` of the named callbacks are functions. */
export function hasCallbacks(value: unknown, names: readonly string[], count: number): boolean {
  if (typeof value !== "object" || value === null) return false;
  const members = value as Record<string, unknown>;
  return names.filter((name) => typeof members[name] === "function").length >= count;
}
