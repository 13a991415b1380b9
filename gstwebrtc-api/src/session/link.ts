// SPDX-License-Identifier: MPL-2.0
/**
 * One `RTCPeerConnection`, and the order in which things are done to it.
 *
 * Descriptions and candidates are handled strictly one after the other, in order of arrival. Candidates that come
 * before the description they belong to wait for it; one that the browser refuses is left out, since the others
 * may still connect. What the connection means for the session is left to the handler.
 *
 * @module
 */

import type { PeerMessage, WireCandidate, WireDescription } from "../signalling/messages.js";
import { isFromAnotherConnection } from "./sdp.js";
import type { LivenessInput } from "./liveness.js";

/** Who owns a {@link PeerLink}. */
export interface LinkHandler {
  /** Carries a message to the other side. */
  send(message: PeerMessage): void;
  /** A step of the negotiation failed; the link is of no more use. */
  onFailed(error: unknown): void;
  /** The connection changed its state. */
  onLiveness(input: LivenessInput): void;
  /** Changes an answer before it is set and sent. */
  mungeAnswer(offer: string, answer: string): string;
}

/** Most candidates kept for a description that has not come yet. */
const MAX_EARLY_CANDIDATES = 256;

/** A peer connection with its negotiation. */
export class PeerLink {
  /** The connection itself, for tracks and data channels. */
  readonly connection: RTCPeerConnection;
  readonly #handler: LinkHandler;
  readonly #early: WireCandidate[] = [];
  #tail: Promise<void> = Promise.resolve();
  #remoteSdp: string | null = null;
  #isClosed = false;
  /** Whether what is sent changed since the last offer. */
  #isOutdated = false;

  /**
   * @param configuration - given to the connection as it is
   * @param handler - who owns the link
   */
  constructor(configuration: RTCConfiguration, handler: LinkHandler) {
    this.#handler = handler;
    this.connection = new RTCPeerConnection(configuration);
    this.connection.onicecandidate = ({ candidate }) => {
      if (candidate?.candidate) handler.send({ ice: candidate.toJSON() as WireCandidate });
    };
    this.connection.onconnectionstatechange = () => this.#stateChanged();
  }

  /** Whether a received description can only be answered by a new link. */
  isReplacedBy(description: WireDescription): boolean {
    return (
      description.type === "offer" &&
      this.#remoteSdp !== null &&
      isFromAnotherConnection(this.#remoteSdp, description.sdp)
    );
  }

  /** Handles what the other side said. */
  accept(message: PeerMessage): void {
    if ("sdp" in message) {
      this.#remoteSdp = message.sdp.sdp;
      this.#enqueue(() => this.#applyDescription(message.sdp));
    } else {
      this.#enqueue(() => this.#applyCandidate(message.ice));
    }
  }

  /** Makes an offer and hands it to `deliver`, or sends it. */
  offer(options: RTCOfferOptions = {}, deliver?: (sdp: string) => void): void {
    this.#enqueue(() => this.#offer(options, deliver));
  }

  /** Makes another offer because what is sent changed; while one is out, when that is answered. */
  renegotiate(): void {
    this.#isOutdated = true;
    this.#enqueue(() => this.#offerIfOutdated());
  }

  /** Looks for a new network path, keeping everything else. */
  restartIce(): void {
    this.connection.restartIce();
    this.offer({ iceRestart: true });
  }

  /** Closes the connection; no callback is made any more. */
  close(): void {
    this.#isClosed = true;
    this.connection.onicecandidate = null;
    this.connection.onconnectionstatechange = null;
    this.connection.ontrack = null;
    this.connection.ondatachannel = null;
    this.connection.close();
  }

  async #offer(options: RTCOfferOptions, deliver?: (sdp: string) => void): Promise<void> {
    this.#isOutdated = false;
    await this.connection.setLocalDescription(await this.connection.createOffer(options));
    const sdp = this.connection.localDescription?.sdp ?? "";
    if (this.#isClosed) return;
    if (deliver) deliver(sdp);
    else this.#handler.send({ sdp: { type: "offer", sdp } });
  }

  async #offerIfOutdated(): Promise<void> {
    if (this.#isOutdated && this.connection.signalingState === "stable") await this.#offer({});
  }

  async #applyDescription(description: WireDescription): Promise<void> {
    await this.connection.setRemoteDescription(description);
    if (description.type === "offer") await this.#answer(description.sdp);
    for (const candidate of this.#early.splice(0)) await this.#applyCandidate(candidate);
    this.#watchTransports();
    await this.#offerIfOutdated();
  }

  async #answer(offer: string): Promise<void> {
    const { sdp = "" } = await this.connection.createAnswer();
    const answer: WireDescription = { type: "answer", sdp: this.#handler.mungeAnswer(offer, sdp) };
    await this.connection.setLocalDescription(answer);
    if (!this.#isClosed) this.#handler.send({ sdp: answer });
  }

  async #applyCandidate(candidate: WireCandidate): Promise<void> {
    if (!this.connection.remoteDescription) {
      if (this.#early.length < MAX_EARLY_CANDIDATES) this.#early.push(candidate);
      return;
    }
    const isEndOfCandidates = candidate.candidate === "";
    try {
      await this.connection.addIceCandidate(isEndOfCandidates ? undefined : candidate);
    } catch (error) {
      if (!this.#isClosed) console.debug("a candidate was refused by the browser", candidate, error);
    }
  }

  #enqueue(step: () => Promise<void>): void {
    this.#tail = this.#tail
      .then(() => (this.#isClosed ? undefined : step()))
      .catch((error: unknown) => {
        if (!this.#isClosed) this.#handler.onFailed(error);
      });
  }

  #stateChanged(): void {
    const { connectionState, iceConnectionState } = this.connection;
    const isIceUp = iceConnectionState === "connected" || iceConnectionState === "completed";
    if (connectionState === "connected" || connectionState === "disconnected") this.#handler.onLiveness(connectionState);
    if (connectionState === "failed") this.#handler.onLiveness(isIceUp ? "dtls-failed" : "failed");
  }

  /** A peer that leaves in good order closes its DTLS transport, which the connection's own state does not show. */
  #watchTransports(): void {
    for (const { receiver, sender } of this.connection.getTransceivers()) {
      const transport = receiver.transport ?? sender.transport;
      if (transport) transport.onstatechange = () => this.#transportChanged(transport.state);
    }
    const data = this.connection.sctp?.transport;
    if (data) data.onstatechange = () => this.#transportChanged(data.state);
  }

  #transportChanged(state: RTCDtlsTransportState): void {
    if (state === "closed" && !this.#isClosed) this.#handler.onLiveness("peer-closed");
  }
}
