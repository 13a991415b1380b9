// SPDX-License-Identifier: MPL-2.0
/**
 * What all sessions have in common: identity, state, the peer connection, and how they end.
 *
 * A session outlives the signalling connection it was made over: it is then *detached*, keeps its media, and ends
 * when the media connection does.
 *
 * @module
 */

import type { ResolvedConfig } from "../config.js";
import { textOf } from "../errors.js";
import { detailEvent, errorEvent, TypedEventTarget } from "../events.js";
import type { ClientMessage, PeerMessage } from "../signalling/messages.js";
import { StatisticsSampler, type SessionStatistics } from "../statistics.js";
import { endToWire, type SessionEnd, type SessionEndReason } from "./end.js";
import { PeerLink } from "./link.js";
import { Liveness, type Connectivity, type LivenessInput } from "./liveness.js";
import { SessionState } from "./state.js";

/** Events of every session. */
export interface WebRTCSessionEvents {
  /** Something failed; the session closes next, unless said otherwise. */
  error: ErrorEvent;
  /** `state` changed. */
  stateChanged: Event;
  /** `rtcPeerConnection` was created, replaced or closed. */
  rtcPeerConnectionChanged: Event;
  /** `connectivity` or `isAttached` changed. */
  connectivityChanged: Event;
  /** The session ended; the detail says why. */
  closed: CustomEvent<SessionEnd>;
}

/** What a session needs from the API that made it. */
export interface SessionContext {
  /** The options of the API. */
  readonly config: ResolvedConfig;
  /** Whether this client may send end reasons, which only version 1.1 of the protocol knows. */
  readonly isVersion11: boolean;
  /** Sends a message; false if it could not be sent. */
  send(message: ClientMessage): boolean;
}

/** Base of {@link ConsumerSession} and {@link ClientSession}. */
export abstract class WebRTCSession<
  E extends WebRTCSessionEvents = WebRTCSessionEvents,
> extends TypedEventTarget<E> {
  readonly #context: SessionContext;
  readonly #peerId: string;
  readonly #liveness: Liveness;
  readonly #statistics = new StatisticsSampler();
  #sessionId = "";
  #state: SessionState = SessionState.idle;
  #connectivity: Connectivity = "waiting";
  #end: SessionEnd | null = null;
  #isAttached = true;
  #link: PeerLink | null = null;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** @internal */
  constructor(peerId: string, context: SessionContext) {
    super();
    this.#peerId = peerId;
    this.#context = context;
    this.#liveness = new Liveness(context.config.connectTimeout);
  }

  /** Id of the remote peer. */
  get peerId(): string {
    return this.#peerId;
  }

  /** Id of the session; empty until the server gave it. */
  get sessionId(): string {
    return this.#sessionId;
  }

  /** Where the session is in its life. */
  get state(): SessionState {
    return this.#state;
  }

  /** How the media connection fares. */
  get connectivity(): Connectivity {
    return this.#state === SessionState.closed ? "ended" : this.#connectivity;
  }

  /** The peer connection, or null before it is made and after the end. */
  get rtcPeerConnection(): RTCPeerConnection | null {
    return this.#link?.connection ?? null;
  }

  /** Why the session ended; null while it has not. */
  get endReason(): SessionEnd | null {
    return this.#end;
  }

  /** Whether the session still can be spoken about over the signalling server. */
  get isAttached(): boolean {
    return this.#isAttached;
  }

  /** Ends the session; does nothing if it has ended. */
  close(): void {
    this.finish({ reason: "closed", message: "closed by this page", isRemote: false });
  }

  /** Figures about the media right now; rates are means since the previous call. Null without a connection. */
  async getStatistics(): Promise<SessionStatistics | null> {
    const connection = this.rtcPeerConnection;
    return connection && this.#statistics.sample(await connection.getStats());
  }

  /** @internal The signalling connection is gone. */
  detach(): void {
    this.#isAttached = false;
    if (this.#state < SessionState.streaming) this.fail("signalling-lost", "the signalling server was lost");
    else this.dispatchEvent(new Event("connectivityChanged"));
  }

  /** @internal The server or the other side said something within this session. */
  abstract accept(message: PeerMessage): void;

  /** @internal Ends the session for the reason given. */
  finish(end: SessionEnd): void {
    if (this.#state === SessionState.closed) return;
    this.#announceEnd(end);
    this.#end = Object.freeze(end);
    clearTimeout(this.#timer);
    this.setState(SessionState.closed);
    const link = this.#link;
    this.#link = null;
    link?.close();
    if (link) this.dispatchEvent(new Event("rtcPeerConnectionChanged"));
    this.onFinished();
    this.dispatchEvent(detailEvent("closed", end));
  }

  /** @internal Reports a failure, then ends the session. */
  fail(reason: SessionEndReason, message: string, error?: unknown, isRemote = false): void {
    if (this.#state === SessionState.closed) return;
    this.dispatchEvent(errorEvent(message, error));
    this.finish({ reason, message: error === undefined ? message : `${message}: ${textOf(error)}`, isRemote });
  }

  /** Options and sending, for the kinds of sessions. */
  protected get context(): SessionContext {
    return this.#context;
  }

  /** The negotiation at work, for the kinds of sessions. */
  protected get link(): PeerLink | null {
    return this.#link;
  }

  /** Releases what a kind of session holds; called once, before `closed`. */
  protected abstract onFinished(): void;

  /** Attaches tracks and data channels to a connection that was just made. */
  protected abstract onLinkCreated(connection: RTCPeerConnection): void;

  /** Whether this side makes the offers, and so can look for a new network path. */
  protected abstract get isOfferer(): boolean;

  /** Changes an answer before it is set. */
  protected mungeAnswer(_offer: string, answer: string): string {
    return answer;
  }

  protected setSessionId(sessionId: string): void {
    this.#sessionId = sessionId;
  }

  protected setState(state: SessionState): void {
    if (state <= this.#state) return;
    this.#state = state;
    this.dispatchEvent(new Event("stateChanged"));
  }

  /** Makes the peer connection, in place of the one there is. */
  protected createLink(): PeerLink {
    this.#link?.close();
    const link: PeerLink = new PeerLink(this.#context.config.webrtcConfig, {
      send: (message) => this.sendToPeer(message),
      onFailed: (error) => this.fail("bad-description", SDP_FAILED, error),
      onLiveness: (input) => this.feedLiveness(input),
      mungeAnswer: (offer, answer) => this.mungeAnswer(offer, answer),
    });
    this.#link = link;
    this.onLinkCreated(link.connection);
    this.dispatchEvent(new Event("rtcPeerConnectionChanged"));
    return link;
  }

  protected sendToPeer(message: PeerMessage): void {
    if (this.#isAttached && this.#sessionId !== "") {
      this.#context.send({ type: "peer", sessionId: this.#sessionId, ...message });
    }
  }

  /** Tells the machine what happened and does what it says. */
  protected feedLiveness(input: LivenessInput): void {
    if (this.#state === SessionState.closed) return;
    const action = this.#liveness.handle(performance.now(), input, this.#isAttached);
    if (action?.kind === "end") {
      const isIce = action.reason === "ice-failed";
      this.fail(action.reason, isIce ? ICE_FAILED : action.message, isIce ? new Error(action.message) : undefined);
      return;
    }
    if (action?.kind === "restart-ice" && this.isOfferer) this.#link?.restartIce();
    this.#armTimer();
    this.#reportConnectivity();
  }

  #reportConnectivity(): void {
    if (this.#connectivity === this.#liveness.connectivity) return;
    this.#connectivity = this.#liveness.connectivity;
    this.dispatchEvent(new Event("connectivityChanged"));
  }

  #armTimer(): void {
    clearTimeout(this.#timer);
    const { deadline } = this.#liveness;
    if (deadline === Infinity) return;
    this.#timer = setTimeout(() => this.feedLiveness("tick"), Math.max(0, deadline - performance.now()));
  }

  /**
   * Tells the other side. Only version 1.1 of the protocol carries a reason, and the server does not say which it
   * speaks: until it has shown that, the plain message follows, which one of the two kinds of servers ignores.
   */
  #announceEnd(end: SessionEnd): void {
    const sessionId = this.#sessionId;
    if (end.isRemote || !this.#isAttached || sessionId === "") return;
    const error = endToWire(end);
    if (error !== null) this.#context.send({ type: "endSessionV1_1", sessionId, error });
    if (error === null || !this.#context.isVersion11) this.#context.send({ type: "endSession", sessionId });
  }
}

const SDP_FAILED = "an unrecoverable error occurred during SDP handshake";
const ICE_FAILED = "an unrecoverable error occurred during ICE handshake";
