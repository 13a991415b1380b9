// SPDX-License-Identifier: MPL-2.0
/**
 * How long to wait before the next attempt to connect. Pure: randomness is passed in.
 *
 * @module
 */

/** Each wait is this many times the one before. */
const GROWTH = 1.7;

/** A wait is spread by this share, so that many pages do not return to a restarted server at the same moment. */
const SPREAD = 0.2;

/** Waits that grow from a first one to a limit. */
export class Backoff {
  readonly #firstMs: number;
  readonly #limitMs: number;
  readonly #random: () => number;
  #attempts = 0;

  /**
   * @param firstMs - the first wait; 0 or less means that there is no second attempt
   * @param limitMs - the longest wait
   * @param random - a number from 0 up to 1
   */
  constructor(firstMs: number, limitMs: number, random: () => number = Math.random) {
    this.#firstMs = firstMs;
    this.#limitMs = Math.max(firstMs, limitMs);
    this.#random = random;
  }

  /** Milliseconds until the next attempt, or null if there shall be none. */
  next(): number | null {
    if (this.#firstMs <= 0) return null;
    const wait = Math.min(this.#firstMs * GROWTH ** this.#attempts, this.#limitMs);
    // The first wait is exact: it is what the application configured.
    const factor = this.#attempts === 0 ? 1 : 1 + SPREAD * (2 * this.#random() - 1);
    this.#attempts += 1;
    return Math.round(Math.min(wait * factor, this.#limitMs));
  }

  /** Starts over after a success. */
  reset(): void {
    this.#attempts = 0;
  }
}
