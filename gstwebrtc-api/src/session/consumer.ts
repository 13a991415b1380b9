// SPDX-License-Identifier: MPL-2.0
/**
 * A session in which this page receives media from a producer.
 *
 * @module
 */

import { SessionEndedError } from "../errors.js";
import { RemoteController } from "../input/controller.js";
import type { PeerMessage } from "../signalling/messages.js";
import { mungeStereo } from "./sdp.js";
import { WebRTCSession, type SessionContext, type WebRTCSessionEvents } from "./session.js";
import { SessionState } from "./state.js";

/** Events of a {@link ConsumerSession}. */
export interface ConsumerSessionEvents extends WebRTCSessionEvents {
  /** `streams` changed. */
  streamsChanged: Event;
  /** `remoteController` appeared, was replaced or went away. */
  remoteControllerChanged: Event;
}

/** Options of a consumer session. */
export interface ConsumerSessionOptions {
  /** Closes the session when it aborts. */
  signal?: AbortSignal;
  /** As the option of the same name in the configuration, for this session. */
  jitterBufferTarget?: number | null;
}

/** Most candidates kept while the session has no id yet; only an offer made here can gather before that. */
const MAX_UNSENT = 256;

/** Receives the media of one producer. */
export class ConsumerSession extends WebRTCSession<ConsumerSessionEvents> {
  readonly #offerOptions: RTCOfferOptions | null;
  readonly #unsent: PeerMessage[] = [];
  #streams: MediaStream[] = [];
  #remoteController: RemoteController | null = null;
  #mungeStereoHack = false;
  #jitterBufferTarget: number | null;

  /** @internal */
  constructor(
    peerId: string,
    context: SessionContext,
    offerOptions: RTCOfferOptions | null = null,
    options: ConsumerSessionOptions = {},
  ) {
    super(peerId, context);
    this.#offerOptions = offerOptions;
    this.#jitterBufferTarget = options.jitterBufferTarget ?? context.config.jitterBufferTarget;
    options.signal?.addEventListener("abort", () => this.close(), { once: true });
    if (options.signal?.aborted) this.close();
  }

  /** The streams received so far; empty after the end. */
  get streams(): MediaStream[] {
    return [...this.#streams];
  }

  /** Control of the producer, if it offers a channel for that. */
  get remoteController(): RemoteController | null {
    return this.#remoteController;
  }

  /** Whether answers ask for stereo where the offer has it, which Chrome does not do by itself. */
  get mungeStereoHack(): boolean {
    return this.#mungeStereoHack;
  }

  set mungeStereoHack(isOn: boolean) {
    if (typeof isOn === "boolean") this.#mungeStereoHack = isOn;
  }

  /** Milliseconds of video to hold back for smoothness; null leaves it to the browser. May change at any time. */
  get jitterBufferTarget(): number | null {
    return this.#jitterBufferTarget;
  }

  set jitterBufferTarget(target: number | null) {
    this.#jitterBufferTarget = target;
    for (const receiver of this.rtcPeerConnection?.getReceivers() ?? []) this.#applyJitterBufferTarget(receiver);
  }

  /**
   * Starts the session.
   *
   * @returns false if the session has ended or cannot be started, true if it is started
   */
  connect(): boolean {
    if (this.state === SessionState.closed || !this.isAttached) return false;
    if (this.state !== SessionState.idle) return true;
    if (this.#offerOptions) {
      this.#connectWithOffer(this.#offerOptions);
    } else if (!this.context.send({ type: "startSession", peerId: this.peerId })) {
      this.fail("signalling-lost", "cannot connect consumer session");
      return false;
    }
    this.feedLiveness("started");
    this.setState(SessionState.connecting);
    return true;
  }

  /**
   * Starts the session and waits for the first media.
   *
   * @throws SessionEndedError if the session ends before
   */
  play(): Promise<this> {
    this.connect();
    return new Promise((resolve, reject) => {
      const check = (): void => {
        if (this.state === SessionState.streaming) resolve(this);
        if (this.endReason) reject(new SessionEndedError(this.endReason));
      };
      this.addEventListener("stateChanged", check);
      this.addEventListener("closed", check);
      check();
    });
  }

  /** @internal The server gave the session its id. */
  started(sessionId: string): void {
    this.setSessionId(sessionId);
    for (const message of this.#unsent.splice(0)) this.sendToPeer(message);
  }

  /** @internal */
  override accept(message: PeerMessage): void {
    if (this.state === SessionState.closed) return;
    const isReplaced = "sdp" in message && this.link?.isReplacedBy(message.sdp) === true;
    const link = isReplaced || !this.link ? this.createLink() : this.link;
    link.accept(message);
  }

  protected override get isOfferer(): boolean {
    // The server passes on no offer from a consumer once the session runs: the producer has to restart.
    return false;
  }

  protected override sendToPeer(message: PeerMessage): void {
    if (this.sessionId !== "") super.sendToPeer(message);
    else if (this.#unsent.length < MAX_UNSENT) this.#unsent.push(message);
  }

  protected override mungeAnswer(offer: string, answer: string): string {
    return this.#mungeStereoHack ? mungeStereo(offer, answer) : answer;
  }

  protected override onLinkCreated(connection: RTCPeerConnection): void {
    this.#streams = [];
    connection.ontrack = (event) => this.#trackAdded(event);
    connection.ondatachannel = ({ channel }) => this.#channelAdded(channel);
  }

  protected override onFinished(): void {
    this.#streams = [];
    this.#setRemoteController(null);
  }

  #connectWithOffer(options: RTCOfferOptions): void {
    const link = this.createLink();
    // Gives the offer a data section, in which the producer can open its own channel.
    link.connection.createDataChannel("control");
    link.offer(options, (offer) => {
      if (!this.context.send({ type: "startSession", peerId: this.peerId, offer })) {
        this.fail("signalling-lost", "cannot connect consumer session");
      }
    });
  }

  #trackAdded({ streams, track, receiver }: RTCTrackEvent): void {
    this.#applyJitterBufferTarget(receiver);
    const arrived = streams.length > 0 ? [...streams] : [this.#streamFor(track)];
    const added = arrived.filter((stream) => !this.#streams.includes(stream));
    this.#streams.push(...added);
    for (const stream of added) stream.addEventListener("removetrack", () => this.#trackRemoved(stream));
    this.setState(SessionState.streaming);
    if (added.length > 0) this.dispatchEvent(new Event("streamsChanged"));
  }

  /** A later offer may take tracks away again. */
  #trackRemoved(stream: MediaStream): void {
    const isGone = stream.getTracks().length === 0 && this.#streams.includes(stream);
    if (!isGone) return;
    this.#streams = this.#streams.filter((other) => other !== stream);
    this.dispatchEvent(new Event("streamsChanged"));
  }

  /** A track without a stream (no `a=msid`) joins the first stream there is. */
  #streamFor(track: MediaStreamTrack): MediaStream {
    const stream = this.#streams[0] ?? new MediaStream();
    stream.addTrack(track);
    return stream;
  }

  #applyJitterBufferTarget(receiver: RTCRtpReceiver): void {
    // Not every browser has it yet; without it the browser's own choice stands.
    const isPossible = "jitterBufferTarget" in receiver && receiver.track.kind === "video";
    if (isPossible) receiver.jitterBufferTarget = this.#jitterBufferTarget;
  }

  /** `control` is the protocol of today, `input` the one of older producers; the first wins over the second. */
  #channelAdded(channel: RTCDataChannel): void {
    const isKnown = channel.label === "control" || channel.label === "input";
    const isWorse = channel.label === "input" && this.#remoteController?.rtcDataChannel?.label === "control";
    if (!isKnown || isWorse) return;
    const controller = new RemoteController(channel, this);
    controller.addEventListener("closed", () => {
      if (this.#remoteController === controller) this.#setRemoteController(null);
    });
    this.#setRemoteController(controller);
  }

  #setRemoteController(controller: RemoteController | null): void {
    const previous = this.#remoteController;
    if (previous === controller) return;
    this.#remoteController = controller;
    previous?.close();
    this.dispatchEvent(new Event("remoteControllerChanged"));
  }
}
