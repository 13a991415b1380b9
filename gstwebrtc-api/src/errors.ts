// SPDX-License-Identifier: MPL-2.0
/**
 * Error classes of the library. Each has a `name`, the values it is about as fields, and a `cause` if another
 * error lies beneath.
 *
 * @module
 */

import type { SessionEnd } from "./session/end.js";

/** The signalling server answered a request with an error, or spoke in a way that is not understood. */
export class SignallingError extends Error {
  override readonly name = "SignallingError";
}

/** A session ended before what was waited for happened. */
export class SessionEndedError extends Error {
  override readonly name = "SessionEndedError";

  /** @param end - why the session ended */
  constructor(readonly end: SessionEnd) {
    super(`session ended (${end.reason}): ${end.message}`);
  }
}

/** A control request was refused by the producer, or could not be sent or answered. */
export class ControlRequestError extends Error {
  override readonly name = "ControlRequestError";

  /**
   * @param requestId - number of the request, -1 if it was never sent
   * @param message - the producer's words, or why there are none
   */
  constructor(
    readonly requestId: number,
    message: string,
  ) {
    super(message);
  }
}

/** The text of anything that was thrown. */
export function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
