// SPDX-License-Identifier: MPL-2.0
/**
 * The consumer sessions of a page, and which of them a message of the server is about.
 *
 * The server names a new session by its producer only, and an error by nothing but its text; both are brought
 * back here to the session that asked.
 *
 * @module
 */

import type { ConsumerSession } from "./consumer.js";
import { SessionState } from "./state.js";

/** What a `sessionStarted` is for. */
export type Started = "matched" | "abandoned";

/** Consumer sessions, by producer and by id. */
export class ConsumerTable {
  readonly #byProducer = new Map<string, ConsumerSession>();
  readonly #bySessionId = new Map<string, ConsumerSession>();
  readonly #abandoned = new Map<string, number>();

  /** All sessions that have not ended. */
  all(): ConsumerSession[] {
    return [...this.#byProducer.values()];
  }

  /** The session with this producer. */
  withProducer(producerId: string): ConsumerSession | undefined {
    return this.#byProducer.get(producerId);
  }

  /** The session with this id. */
  find(sessionId: string): ConsumerSession | undefined {
    return this.#bySessionId.get(sessionId);
  }

  /** Takes a session in until it ends. */
  add(session: ConsumerSession): void {
    const { peerId } = session;
    this.#byProducer.set(peerId, session);
    let wasStarted = false;
    session.addEventListener("stateChanged", () => {
      if (session.state === SessionState.connecting) wasStarted = true;
    });
    session.addEventListener("closed", () => {
      if (this.#byProducer.get(peerId) === session) this.#byProducer.delete(peerId);
      this.#bySessionId.delete(session.sessionId);
      const isUnanswered = wasStarted && session.sessionId === "" && session.isAttached;
      if (isUnanswered && session.endReason?.isRemote !== true) this.#count(peerId, 1);
    });
  }

  /**
   * The server started a session with this producer.
   *
   * @returns `abandoned` if nobody waits for it any more, so that it has to be ended
   */
  started(producerId: string, sessionId: string): Started {
    if ((this.#abandoned.get(producerId) ?? 0) > 0) {
      this.#count(producerId, -1);
      return "abandoned";
    }
    const session = this.#byProducer.get(producerId);
    if (session?.state !== SessionState.connecting || session.sessionId !== "") return "abandoned";
    this.#bySessionId.set(sessionId, session);
    session.started(sessionId);
    return "matched";
  }

  /** The session that an error text of the server is about, as far as can be told. */
  blamed(details: string): ConsumerSession | undefined {
    const waiting = this.all().filter(({ state, sessionId }) => state === SessionState.connecting && sessionId === "");
    const isNamed = ({ peerId }: ConsumerSession): boolean => details.includes(peerId);
    const withId = [...this.#bySessionId].find(([sessionId]) => details.includes(sessionId));
    return waiting.find(isNamed) ?? withId?.[1] ?? (waiting.length === 1 ? waiting[0] : undefined);
  }

  /** The signalling connection is gone: ids of before mean nothing on the next one. */
  detachAll(): void {
    this.#abandoned.clear();
    for (const session of this.all()) session.detach();
    this.#byProducer.clear();
  }

  #count(producerId: string, change: number): void {
    const count = (this.#abandoned.get(producerId) ?? 0) + change;
    if (count > 0) this.#abandoned.set(producerId, count);
    else this.#abandoned.delete(producerId);
  }
}
