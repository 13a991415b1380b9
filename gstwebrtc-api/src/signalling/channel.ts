// SPDX-License-Identifier: MPL-2.0
/**
 * The websocket to the signalling server: opening, trying the next URL, reconnecting with backoff.
 *
 * What the messages mean is left to `api.ts`. A connection counts as made once `ready()` was called, that is when
 * the server has confirmed this page's registration; until then a deadline runs, so that a server that accepts the
 * socket and says nothing does not hold the page for ever.
 *
 * @module
 */

import { SignallingError } from "../errors.js";
import { Backoff } from "./backoff.js";
import { parseServerMessage, type ClientMessage, type ServerMessage } from "./messages.js";

/** Who listens to a {@link SignallingChannel}. */
export interface ChannelHandler {
  /** A message arrived. */
  onMessage(message: ServerMessage): void;
  /** A connection that was ready is gone. */
  onLost(): void;
  /** An attempt failed or something not understood arrived; the channel goes on by itself. */
  onProblem(error: SignallingError): void;
}

/** What a channel needs to know. */
export interface ChannelOptions {
  readonly urls: readonly string[];
  readonly reconnectionTimeout: number;
  readonly maxReconnectionDelay: number;
}

/** How long a server may take from the first packet to the confirmed registration, in milliseconds. */
const READY_TIMEOUT_MS = 10_000;

/** Largest text taken from the server, in UTF-16 units; a description with many streams has some ten thousand. */
const MAX_MESSAGE_LENGTH = 4 * 1024 * 1024;

/** Keeps one websocket to the signalling server open. */
export class SignallingChannel {
  readonly #options: ChannelOptions;
  readonly #handler: ChannelHandler;
  readonly #backoff: Backoff;
  #socket: WebSocket | null = null;
  #urlIndex = 0;
  #isWanted = false;
  #isReady = false;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /**
   * @param options - where to connect, and how patiently
   * @param handler - hears what happens
   */
  constructor(options: ChannelOptions, handler: ChannelHandler) {
    this.#options = options;
    this.#handler = handler;
    this.#backoff = new Backoff(options.reconnectionTimeout, options.maxReconnectionDelay);
  }

  /** Whether the registration was confirmed and the connection still stands. */
  get isReady(): boolean {
    return this.#isReady;
  }

  /** Connects; does nothing if a connection stands or is being made. */
  open(): void {
    if (this.#socket) return;
    this.#isWanted = true;
    clearTimeout(this.#timer);
    const url = this.#options.urls[this.#urlIndex] ?? "";
    try {
      this.#watch(new WebSocket(url));
    } catch (cause) {
      this.#handler.onProblem(new SignallingError(`cannot use signalling server address ${url}`, { cause }));
      this.#tryNext();
    }
  }

  /** Closes for good; no callback is made any more. */
  close(): void {
    this.#isWanted = false;
    this.#drop()?.close(1000);
  }

  /** The registration is confirmed. */
  ready(): void {
    clearTimeout(this.#timer);
    this.#isReady = true;
    this.#backoff.reset();
  }

  /** Sends a message; false if there is no open connection. */
  send(message: ClientMessage): boolean {
    if (this.#socket?.readyState !== WebSocket.OPEN) return false;
    this.#socket.send(JSON.stringify(message));
    return true;
  }

  #watch(socket: WebSocket): void {
    this.#socket = socket;
    const isCurrent = (): boolean => this.#socket === socket;
    socket.onmessage = (event) => {
      if (isCurrent()) this.#received(event.data);
    };
    socket.onclose = (event) => {
      if (isCurrent()) this.#closed(socket.url, event.code);
    };
    this.#timer = setTimeout(() => {
      if (!isCurrent()) return;
      socket.close();
      this.#closed(socket.url, 0);
    }, READY_TIMEOUT_MS);
  }

  #received(data: unknown): void {
    const isTooLong = typeof data === "string" && data.length > MAX_MESSAGE_LENGTH;
    const message = isTooLong ? null : parseServerMessage(data);
    if (message) this.#handler.onMessage(message);
    else this.#handler.onProblem(new SignallingError("the signalling server sent an unknown message"));
  }

  #closed(url: string, code: number): void {
    const wasReady = this.#isReady;
    this.#drop();
    if (wasReady) {
      this.#handler.onLost();
      this.#schedule();
      return;
    }
    const why = code === 0 ? "does not answer" : "cannot be reached";
    this.#handler.onProblem(new SignallingError(`signalling server ${url} ${why}`));
    this.#tryNext();
  }

  /** The next URL of a round is tried at once, the next round after the backoff. */
  #tryNext(): void {
    this.#urlIndex = (this.#urlIndex + 1) % Math.max(1, this.#options.urls.length);
    if (this.#urlIndex === 0) this.#schedule();
    else if (this.#isWanted) this.#timer = setTimeout(() => this.open(), 0);
  }

  #schedule(): void {
    const wait = this.#isWanted ? this.#backoff.next() : null;
    if (wait !== null) this.#timer = setTimeout(() => this.open(), wait);
  }

  #drop(): WebSocket | null {
    const socket = this.#socket;
    clearTimeout(this.#timer);
    this.#socket = null;
    this.#isReady = false;
    return socket;
  }
}
