// SPDX-License-Identifier: MPL-2.0
/**
 * The states every kind of session goes through. A state only ever increases.
 *
 * @module
 */

/** States of a session. */
export const SessionState = Object.freeze({
  /** Created, not started. */
  idle: 0,
  /** Started, no media yet. */
  connecting: 1,
  /** Media flows, or may flow. */
  streaming: 2,
  /** Ended; a session cannot be used again. */
  closed: 3,
} as const);

/** One of the values of {@link SessionState:variable}. */
export type SessionState = (typeof SessionState)[keyof typeof SessionState];
