// SPDX-License-Identifier: MPL-2.0
/**
 * A session in which this page offers a stream to any number of consumers.
 *
 * @module
 */

import { detailEvent, errorEvent, TypedEventTarget } from "../events.js";
import type { PeerMessage } from "../signalling/messages.js";
import { ClientSession } from "./client.js";
import type { SessionEnd } from "./end.js";
import type { SessionContext } from "./session.js";
import { SessionState } from "./state.js";

/** Events of a {@link ProducerSession}. */
export interface ProducerSessionEvents {
  /** Something failed; an error of one consumer does not end the session. */
  error: ErrorEvent;
  /** `state` changed. */
  stateChanged: Event;
  /** The session ended. */
  closed: Event;
  /** A consumer arrived. */
  clientConsumerAdded: CustomEvent<ClientSession>;
  /** A consumer left. */
  clientConsumerRemoved: CustomEvent<ClientSession>;
}

/** Options of a producer session. */
export interface ProducerSessionOptions {
  /** Closes the session when it aborts. */
  signal?: AbortSignal;
  /** Codecs to prefer, best first: encoding names such as `H264` or media types such as `video/VP9`. */
  codecs?: readonly string[];
  /** Whether `close()` stops the tracks of the stream. Default: true. */
  stopTracksOnClose?: boolean;
}

/** What a producer session needs from the API that made it. */
export interface ProducerContext extends SessionContext {
  /** Announces the roles of this page anew; false if that could not be sent. */
  announceRoles(): boolean;
}

/** Most consumers at a time: each has an encoder, and a browser bears few of those. */
const MAX_CLIENTS = 64;

/** Offers one stream. */
export class ProducerSession extends TypedEventTarget<ProducerSessionEvents> {
  readonly #context: ProducerContext;
  readonly #stream: MediaStream;
  readonly #consumerId: string | null;
  readonly #options: ProducerSessionOptions;
  readonly #clients = new Map<string, ClientSession>();
  #state: SessionState = SessionState.idle;
  #isInvitationSent = false;

  /** @internal */
  constructor(
    stream: MediaStream,
    context: ProducerContext,
    consumerId: string | null = null,
    options: ProducerSessionOptions = {},
  ) {
    super();
    this.#stream = stream;
    this.#context = context;
    this.#consumerId = consumerId;
    this.#options = options;
    options.signal?.addEventListener("abort", () => this.close(), { once: true });
    if (options.signal?.aborted) this.#setState(SessionState.closed);
  }

  /** The stream that is offered. */
  get stream(): MediaStream {
    return this.#stream;
  }

  /** Where the session is in its life. */
  get state(): SessionState {
    return this.#state;
  }

  /** The sessions with the consumers of this moment. */
  get clients(): ClientSession[] {
    return [...this.#clients.values()];
  }

  /**
   * Announces this page as a producer.
   *
   * @returns false if the session has ended or cannot be started, true if it is started
   */
  start(): boolean {
    if (this.#state === SessionState.closed) return false;
    if (this.#state !== SessionState.idle) return true;
    this.#setState(SessionState.connecting);
    if (this.#context.announceRoles()) return true;
    this.dispatchEvent(errorEvent("cannot start producer session"));
    this.close();
    return false;
  }

  /** Ends the session and those of all its consumers; stops the tracks unless told not to. */
  close(): void {
    if (this.#state === SessionState.closed) return;
    const wasStarted = this.#state !== SessionState.idle;
    if (this.#options.stopTracksOnClose !== false) for (const track of this.#stream.getTracks()) track.stop();
    this.#state = SessionState.closed;
    // The server ends the sessions of a producer that stops being one.
    if (wasStarted) this.#context.announceRoles();
    for (const client of this.clients) client.finish(WITHDRAWN);
    this.dispatchEvent(new Event("stateChanged"));
    this.dispatchEvent(new Event("closed"));
  }

  /**
   * Sends one more track, to those who watch by a new negotiation.
   *
   * @param track - joins `stream`; one that is there already changes nothing
   */
  addTrack(track: MediaStreamTrack): void {
    if (this.#state === SessionState.closed || this.#stream.getTracks().includes(track)) return;
    this.#stream.addTrack(track);
    for (const client of this.clients) client.addTrack(track);
  }

  /**
   * Sends a track no longer, by a new negotiation with those who watch.
   *
   * @param track - leaves `stream`, and goes on as such; one that is not there changes nothing
   */
  removeTrack(track: MediaStreamTrack): void {
    if (this.#state === SessionState.closed || !this.#stream.getTracks().includes(track)) return;
    this.#stream.removeTrack(track);
    for (const client of this.clients) client.removeTrack(track);
  }

  /**
   * Sends another track, or none, in place of one, to all consumers and without a new negotiation.
   *
   * @param previous - a track of `stream`
   * @param next - a track of the same kind, which joins `stream`; null sends nothing
   */
  async replaceTrack(previous: MediaStreamTrack, next: MediaStreamTrack | null): Promise<void> {
    await Promise.all(this.clients.map((client) => client.replaceTrack(previous, next)));
    this.#stream.removeTrack(previous);
    if (next) this.#stream.addTrack(next);
  }

  /** @internal Whether this page should be registered as a producer. */
  get isActive(): boolean {
    return this.#state === SessionState.connecting || this.#state === SessionState.streaming;
  }

  /** @internal The server reports this page as a producer. */
  registered(): void {
    if (!this.isActive) return;
    this.#setState(SessionState.streaming);
    if (this.#consumerId === null || this.#isInvitationSent) return;
    this.#isInvitationSent = this.#context.send({ type: "startSession", peerId: this.#consumerId });
    if (!this.#isInvitationSent) this.dispatchEvent(errorEvent(INVITATION_FAILED));
  }

  /** @internal The server refused something; true if that was the invitation. */
  invitationRefused(error: Error): boolean {
    const isMine = this.#isInvitationSent && this.#consumerId !== null && error.message.includes(this.#consumerId);
    if (isMine) this.dispatchEvent(errorEvent(INVITATION_FAILED, error));
    return isMine;
  }

  /** @internal A consumer wants the stream. */
  clientArrived(peerId: string, sessionId: string, offer: string | null): void {
    if (!this.isActive || this.#clients.has(sessionId) || this.#clients.size >= MAX_CLIENTS) {
      this.#context.send({ type: "endSession", sessionId });
      return;
    }
    const outgoing = { stream: this.#stream, codecs: this.#options.codecs ?? [] };
    const client = new ClientSession(peerId, sessionId, this.#context, outgoing);
    this.#clients.set(sessionId, client);
    client.addEventListener("error", ({ message, error }) => {
      this.dispatchEvent(errorEvent(`error from client consumer ${peerId}: ${message}`, error));
    });
    client.addEventListener("closed", () => {
      this.#clients.delete(sessionId);
      this.dispatchEvent(detailEvent("clientConsumerRemoved", client));
    });
    this.dispatchEvent(detailEvent("clientConsumerAdded", client));
    client.start(offer);
  }

  /** @internal Hands a message to the client session it is for; false if there is none. */
  accept(sessionId: string, message: PeerMessage): boolean {
    const client = this.#clients.get(sessionId);
    client?.accept(message);
    return client !== undefined;
  }

  /** @internal The server says that a client session ended; false if there is none. */
  clientEnded(sessionId: string, end: SessionEnd): boolean {
    const client = this.#clients.get(sessionId);
    client?.finish(end);
    return client !== undefined;
  }

  /** @internal The signalling connection is gone. */
  detach(): void {
    for (const client of this.clients) client.detach();
  }

  #setState(state: SessionState): void {
    if (state <= this.#state) return;
    this.#state = state;
    this.dispatchEvent(new Event("stateChanged"));
  }
}

const INVITATION_FAILED = "cannot send session request to specified consumer";

/** How the client sessions of a closed producer session end; the server tells the consumers. */
const WITHDRAWN: SessionEnd = Object.freeze({
  reason: "closed",
  message: "the stream is no longer offered",
  isRemote: true,
});
